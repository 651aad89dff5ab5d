import { isEnded, stepKeys, type Run, type RunHistory } from '#domain';
import type { LoadedRun, RunId, Runs } from '#engine';
import {
  runStream,
  type EventStore,
  type Position,
  type RecordedEvent,
  type Revision,
  type StreamName,
} from '#event-store';
import { nearestNames } from '#runtime';
import { runArchived } from '../http/failures.js';
import { HttpProblem, type ProblemCode } from '../http/problems.js';
import { didYouMean } from '../http/validation.js';
import { hashOf, parseRunId } from './run-id.js';
import type { ShownRun } from './shown-runs.js';

/** The run of an id as people see it, always current. Throws the problem when there is none, it is archived, or its suffix is another. */
export const loadVisible = async (runs: Runs, id: string): Promise<LoadedRun> => {
  const runId = parseRunId(id);
  const loaded = runId === null ? null : await runs.load(runId);
  if (loaded === null || loaded.run.started.id !== id) {
    throw new HttpProblem({ code: 'run-not-found', detail: `There is no run ${JSON.stringify(id.slice(0, 80))}.` });
  }
  return requireWhole(loaded);
};

/** The same, when the log still has its events; the problem is thrown otherwise. */
export const requireWhole = (loaded: LoadedRun): LoadedRun => {
  const { archived } = loaded.run;
  if (archived === null) return loaded;
  throw new HttpProblem(runArchived(archived.file, positionHeader(loaded.position)));
};

/** A step that the run has not entered: one that is in its plan, or a name that nothing has. `parameter`: the one that names it. */
export const stepNotFound = (
  { history, plan }: Pick<ShownRun, 'history' | 'plan'>,
  key: string,
  parameter: string | null = null,
): HttpProblem => {
  const told = (code: ProblemCode, detail: string): HttpProblem =>
    new HttpProblem({ code, detail, ...(parameter !== null && { errors: [{ pointer: parameter, detail }] }) });
  const known = new Set([...history.steps.keys(), ...stepKeys(plan)]);
  const named = JSON.stringify(key.slice(0, 200));
  if (known.has(key)) {
    const { status } = history;
    const yet = isEnded({ status }) ? `has ended as ${status} without it` : 'has not reached it yet';
    return told('step-not-reached', `The step ${named} is in the plan, and the run ${yet}.`);
  }
  const hint = didYouMean(nearestNames(key, known));
  return told('step-not-found', `The run has no step ${named}.${hint}`);
};

/** Nothing that a document of the run has cut is there. */
export const payloadNotFound = (revision: string, pointer: string): HttpProblem => {
  const named = `${JSON.stringify(pointer.slice(0, 200))} of revision ${JSON.stringify(revision.slice(0, 20))}`;
  const detail = `The run has no payload at ${named}. Cut payloads in GET /v1/runs/{id} have the address.`;
  return new HttpProblem({ code: 'payload-not-found', detail });
};

/** Where the events of a run are, and how far it is. */
export type RunPlace = {
  /** As people see it. */
  readonly id: string;
  readonly stream: StreamName;
  readonly hasEnded: boolean;
  readonly revision: number;
  readonly position: Position;
};

export const placeOf = (run: RunHistory | Run, position: Position): RunPlace => ({
  id: run.started.id,
  stream: runStream(hashOf(run.started.id)),
  hasEnded: isEnded(run),
  revision: run.revision,
  position,
});

/** Events of a run from a revision on, as many as asked for. */
export const readEvents = (
  store: EventStore,
  { stream }: Pick<RunPlace, 'stream'>,
  from: number,
  limit: number,
): Promise<readonly RecordedEvent[]> =>
  // A reason for the cast: the number was parsed as a revision at the edge.
  store.readStream(stream, { from: from as Revision, limit });

/** The hash that names the run, without the suffix that people see. */
export const runIdOf = (run: Run): RunId => hashOf(run.started.id);

export const positionHeader = (position: Position): Record<string, string> => ({
  'stepwell-position': String(position),
});

/** The position that a list must have reached, out of `Stepwell-Min-Position`. */
export const parseMinPosition = (header: string | string[] | undefined): Position | null => {
  if (header === undefined) return null;
  if (typeof header === 'string' && /^\d{1,15}$/.test(header)) {
    // A reason for the cast: the client gives back what an answer gave it.
    return Number(header) as Position;
  }
  const detail = 'Give the Stepwell-Position of an answer, unchanged.';
  throw new HttpProblem({
    code: 'validation-failed',
    detail: `Stepwell-Min-Position: ${detail}`,
    errors: [{ pointer: 'Stepwell-Min-Position', detail }],
  });
};
