import type { IncomingHttpHeaders } from 'node:http';
import type { LoadedRun, Origin } from '#engine';
import { eventText, type RecordedEvent } from '#event-store';
import { rejectionProblem, STORAGE_UNAVAILABLE } from '../http/failures.js';
import { HttpProblem } from '../http/problems.js';
import { parseTraceparent } from '../http/traceparent.js';
import type { WorkflowApiParts } from '../parts.js';
import { stepText } from './run-json.js';
import { loadVisible, parseMinPosition, readEvents, runIdOf, stepNotFound } from './run-reads.js';
import type { EventsQuery, RunsQuery } from './run-queries.js';

export type Page = { readonly text: string; readonly position: string };

/** What the controllers of runs ask for, as text that is ready to send. Throws the problem to answer. */
export class RunReader {
  readonly #parts: Pick<WorkflowApiParts, 'runs' | 'lists' | 'store' | 'config'>;

  constructor(parts: Pick<WorkflowApiParts, 'runs' | 'lists' | 'store' | 'config'>) {
    this.#parts = parts;
  }

  run(id: string): Promise<LoadedRun> {
    return loadVisible(this.#parts.runs, id);
  }

  async step(id: string, key: string): Promise<{ readonly loaded: LoadedRun; readonly text: string }> {
    const loaded = await this.run(id);
    const text = stepText(loaded.run, loaded.plan, key);
    if (text === null) throw stepNotFound(loaded, key);
    return { loaded, text };
  }

  async cancel(id: string, reason: string | null, headers: IncomingHttpHeaders): Promise<LoadedRun> {
    const { run, plan } = await this.run(id);
    const origin: Origin = { actor: null, traceparent: parseTraceparent(headers['traceparent']) };
    const reply = await this.#parts.runs.cancel(runIdOf(run), reason, origin);
    if (reply.status === 'rejected') throw new HttpProblem(rejectionProblem(reply.rejection, plan));
    if (reply.status === 'unavailable') throw new HttpProblem(STORAGE_UNAVAILABLE, { cause: reply.cause });
    return reply.loaded;
  }

  /** One event more than asked for is read: it tells whether there is a next page. */
  async events(loaded: LoadedRun, { from = 0, cursor = from, limit }: EventsQuery): Promise<string> {
    const read = await readEvents(this.#parts.store, loaded, cursor, limit + 1);
    const events: readonly RecordedEvent[] = read.slice(0, limit);
    const next = read.length > limit ? JSON.stringify(String(read[limit]!.revision)) : 'null';
    return `{"items":[${events.map(eventText).join(',')}],"nextCursor":${next}}`;
  }

  async list({ status, tag, ...query }: RunsQuery, headers: IncomingHttpHeaders): Promise<Page> {
    const { lists, config } = this.#parts;
    const minPosition = parseMinPosition(headers['stepwell-min-position']);
    if (minPosition !== null && !(await lists.waitFor(minPosition, config.views.minPositionWaitMs))) throw behind();
    const page = await lists.listRuns({
      ...query,
      ...(status === undefined ? undefined : { statuses: status }),
      ...(tag === undefined ? undefined : { tags: tag }),
      ...(minPosition === null ? undefined : { minPosition }),
    });
    if (page.status === 'behind') throw behind();
    if (page.status === 'bad-cursor') {
      throw new HttpProblem({
        code: 'cursor-invalid',
        detail: 'The cursor is malformed, or belongs to a list with other filters.',
        errors: [{ pointer: 'cursor', detail: 'Give the nextCursor of a page of this very list.' }],
      });
    }
    return {
      text: `{"items":${page.items},"nextCursor":${JSON.stringify(page.nextCursor)}}`,
      position: String(page.position),
    };
  }
}

const behind = (): HttpProblem =>
  new HttpProblem({ code: 'view-behind', detail: 'The view did not reach the position in time.' });
