import { Inject, Injectable } from '@nestjs/common';
import type { IncomingHttpHeaders } from 'node:http';
import { Runs } from '#engine';
import { EventStore, shownEventText, type RecordedEvent } from '#event-store';
import type { Config } from '#runtime';
import { RunLists } from '../../../modules/src/run-lists.js';
import { CONFIG } from '../../../modules/src/tokens.js';
import type { Answer } from '../http/answer.js';
import { rejectionProblem, unavailableProblem } from '../http/failures.js';
import { parsePrecondition, readPrecondition } from '../http/preconditions.js';
import { HttpProblem } from '../http/problems.js';
import { originOf } from '../http/origin.js';
import { OTHER_CURSOR, pageAt } from './list-page.js';
import { PayloadTexts, type RunView } from './payload-json.js';
import { RUN_TAG, runTag, runText, stepDocument } from './run-json.js';
import { ShownRuns } from './shown-runs.js';
import { placeOfCursor, stepsPage, stepTree } from './step-json.js';
import { readPayload } from './run-payload.js';
import { loadVisible, payloadNotFound, readEvents, runIdOf, stepNotFound, type RunPlace } from './run-reads.js';
import type { EventsQuery } from './endpoints/list-run-events.js';
import type { RunStepsQuery } from './endpoints/list-run-steps.js';
import type { RunsQuery } from './endpoints/list-runs.js';

/** What the controller of runs asks for. Throws the problem to answer. */
@Injectable()
export class RunReader {
  constructor(
    private readonly runs: Runs,
    private readonly shown: ShownRuns,
    private readonly lists: RunLists,
    private readonly store: EventStore,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /** A client that has the run as it is is answered without its document being made. */
  run(id: string, view: RunView, ifNoneMatch: string | undefined): Promise<Answer> {
    return this.shown.byId(id, (shown) => {
      const etag = runTag(shown.history, shown, view);
      const becomes = readPrecondition({ 'if-none-match': ifNoneMatch }, etag);
      const text = becomes === 'not-modified' ? null : runText(shown, view);
      return { text, position: shown.position, etag };
    });
  }

  placeOf(id: string): Promise<RunPlace> {
    return this.shown.placeOf(id);
  }

  step(id: string, key: string): Promise<Answer> {
    return this.shown.byId(id, (shown) => {
      const text = stepDocument(shown, key);
      if (text === null) throw stepNotFound(shown, key);
      return { text, position: shown.position };
    });
  }

  steps(id: string, { below, view, cursor, limit }: RunStepsQuery): Promise<Answer> {
    const from = cursor === undefined ? 0 : placeOfCursor(cursor, view);
    if (from === null) throw new HttpProblem(OTHER_CURSOR);
    return this.shown.byId(id, (shown) => {
      const container = below === undefined ? null : (shown.history.steps.get(below) ?? null);
      if (below !== undefined && container === null) throw stepNotFound(shown, below, 'below');
      const tree = stepTree(shown, view, new PayloadTexts(view, shown.history.started.id));
      const { items, next } = stepsPage(container, { from, max: limit }, tree);
      return { text: `{"items":[${items}],"nextCursor":${JSON.stringify(next)}}`, position: shown.position };
    });
  }

  async payload(id: string, revisionText: string, pointer: string): Promise<Answer> {
    const run = await this.placeOf(id);
    const revision = /^\d{1,9}$/.test(revisionText) ? Number(revisionText) : null;
    const text = revision === null ? null : await readPayload(this.store, run, { revision, pointer });
    if (text === null) throw payloadNotFound(revisionText, pointer);
    return { text, position: run.position };
  }

  async cancel(id: string, reason: string | null, headers: IncomingHttpHeaders): Promise<Answer> {
    const { run, plan } = await loadVisible(this.runs, id);
    const precondition = parsePrecondition(headers, RUN_TAG);
    const reply = await this.runs.cancel(runIdOf(run), reason, originOf(headers), precondition);
    if (reply.status === 'rejected' && reply.rejection.code === 'not-as-seen') throw await this.movedOn(id);
    if (reply.status === 'rejected') throw new HttpProblem(rejectionProblem(reply.rejection, plan));
    if (reply.status === 'unavailable') throw new HttpProblem(unavailableProblem(reply.cause), { cause: reply.cause });
    return this.shown.of(reply.loaded, (shown) => ({ text: runText(shown), position: shown.position }));
  }

  /** With the tag that a read gives, so that the caller may go on from there. */
  private async movedOn(id: string): Promise<HttpProblem> {
    const { run, plan } = await loadVisible(this.runs, id);
    const runId = runIdOf(run);
    const problem = rejectionProblem({ code: 'not-as-seen', revision: run.revision }, plan);
    const now = { waits: this.runs.waitsOf(runId, run), parked: this.runs.parked(runId) };
    return new HttpProblem({ ...problem, headers: { etag: runTag(run, now, 'full') } });
  }

  /** One event more than asked for is read: it tells whether there is a next page. */
  async events(run: RunPlace, { from = 0, cursor = from, limit }: EventsQuery): Promise<Answer> {
    const read = await readEvents(this.store, run, cursor, limit + 1);
    const events: readonly RecordedEvent[] = read.slice(0, limit);
    const next = read.length > limit ? JSON.stringify(String(read[limit]!.revision)) : 'null';
    const text = `{"items":[${events.map(shownEventText).join(',')}],"nextCursor":${next}}`;
    return { text, position: run.position };
  }

  list({ status, tag, ...query }: RunsQuery, headers: IncomingHttpHeaders): Promise<Answer> {
    return pageAt(this.lists, this.config, headers, (reached) =>
      this.lists.listRuns({
        ...query,
        ...(status === undefined ? undefined : { statuses: status }),
        ...(tag === undefined ? undefined : { tags: tag }),
        ...reached,
      }),
    );
  }
}
