import { Inject, Injectable } from '@nestjs/common';
import type { IncomingHttpHeaders } from 'node:http';
import { EventStore } from '#event-store';
import type { Config } from '#runtime';
import { StepList } from '#views';
import { RunLists } from '../../../modules/src/run-lists.js';
import { CONFIG } from '../../../modules/src/tokens.js';
import type { Answer } from '../http/answer.js';
import { pageAt } from '../runs/list-page.js';
import type { StepsQuery } from './endpoints/list-steps.js';

/** What the controller of steps asks for. Throws the problem to answer. */
@Injectable()
export class StepReader {
  readonly #steps: StepList;

  constructor(
    private readonly lists: RunLists,
    store: EventStore,
    @Inject(CONFIG) private readonly config: Config,
  ) {
    this.#steps = new StepList(lists, store);
  }

  list({ status, ...query }: StepsQuery, headers: IncomingHttpHeaders): Promise<Answer> {
    const given = { ...query, ...(status === undefined ? undefined : { statuses: status }) };
    return pageAt(this.lists, this.config, headers, (reached) => this.#steps.list({ ...given, ...reached }));
  }
}
