import type { IncomingHttpHeaders } from 'node:http';
import type { LoadedRun, Origin } from '#engine';
import { eventText, type RecordedEvent } from '#event-store';
import { rejectionProblem, unavailableProblem } from '../http/failures.js';
import { HttpProblem } from '../http/problems.js';
import { parseTraceparent } from '../http/traceparent.js';
import type { WorkflowApiParts } from '../parts.js';
import { pageAt, type Page } from './list-page.js';
import { stepText } from './run-json.js';
import { loadVisible, readEvents, runIdOf, stepNotFound } from './run-reads.js';
import type { EventsQuery, RunsQuery } from './run-queries.js';

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
    if (reply.status === 'unavailable') throw new HttpProblem(unavailableProblem(reply.cause), { cause: reply.cause });
    return reply.loaded;
  }

  /** One event more than asked for is read: it tells whether there is a next page. */
  async events(loaded: LoadedRun, { from = 0, cursor = from, limit }: EventsQuery): Promise<string> {
    const read = await readEvents(this.#parts.store, loaded, cursor, limit + 1);
    const events: readonly RecordedEvent[] = read.slice(0, limit);
    const next = read.length > limit ? JSON.stringify(String(read[limit]!.revision)) : 'null';
    return `{"items":[${events.map(eventText).join(',')}],"nextCursor":${next}}`;
  }

  list({ status, tag, ...query }: RunsQuery, headers: IncomingHttpHeaders): Promise<Page> {
    return pageAt(this.#parts, headers, (reached) =>
      this.#parts.lists.listRuns({
        ...query,
        ...(status === undefined ? undefined : { statuses: status }),
        ...(tag === undefined ? undefined : { tags: tag }),
        ...reached,
      }),
    );
  }
}
