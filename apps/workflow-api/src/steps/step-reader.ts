import type { IncomingHttpHeaders } from 'node:http';
import { StepList } from '#views';
import type { WorkflowApiParts } from '../parts.js';
import { pageAt, type Page } from '../runs/list-page.js';
import type { StepsQuery } from './step-queries.js';

/** What the controller of steps asks for, as text that is ready to send. Throws the problem to answer. */
export class StepReader {
  readonly #parts: Pick<WorkflowApiParts, 'lists' | 'config'>;
  readonly #steps: StepList;

  constructor(parts: Pick<WorkflowApiParts, 'lists' | 'store' | 'config'>) {
    this.#parts = parts;
    this.#steps = new StepList(parts.lists, parts.store);
  }

  list({ status, ...query }: StepsQuery, headers: IncomingHttpHeaders): Promise<Page> {
    const given = { ...query, ...(status === undefined ? undefined : { statuses: status }) };
    return pageAt(this.#parts, headers, (reached) => this.#steps.list({ ...given, ...reached }));
  }
}
