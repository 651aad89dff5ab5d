import { isBelow, isStepEnded, type ErrorInfo, type RunEvent } from '#domain';
import type { Commit, StoredEvent, StreamName } from '#event-store';
import { decodeRunEvent, recordedAtOf, storedEvents } from '#event-store';
import { checkedError, checkedText, checkedTextOrNull } from './checked-values.js';
import type { UnsettledRun } from './run-list-projection.js';
import type { StepsTable } from './run-list-tables.js';
import { PLACES_A_RUN, enteredRow, seqOfStep } from './step-list-rows.js';

/** What a batch of the log changes in the list of steps. */
export type StepListChanges = {
  readonly inserted: readonly StepsTable[];
  readonly updated: readonly StepsTable[];
  /** Places of rows whose steps have completed, or were open when their run ended. */
  readonly removed: readonly number[];
};

type RunSteps = {
  readonly run: UnsettledRun;
  /** By step key. */
  readonly rows: Map<string, StepsTable>;
  ended: boolean;
};

const NOTHING: StepListChanges = { inserted: [], updated: [], removed: [] };

/** The `seq` of the runs whose rows `foldStepList` needs: those that began in an earlier batch. */
export const stepsNeeded = (unsettled: ReadonlyMap<StreamName, UnsettledRun>): readonly number[] =>
  [...unsettled.values()].flatMap(({ row, after }) => (after >= 0 ? [row.seq] : []));

/**
 * Folds the steps of the runs that are not settled, after their rows in the list of runs. What is left of a run that has
 * completed is nothing, or steps that failed, were cancelled or skipped: so a run shorter than a batch costs nothing here,
 * and is not even read. `before` are the rows of `stepsNeeded`; the fold owns them.
 */
export const foldStepList = (
  unsettled: ReadonlyMap<StreamName, UnsettledRun>,
  before: readonly StepsTable[],
  commits: readonly Commit[],
): StepListChanges => {
  if (unsettled.size === 0) return NOTHING;
  const runs = new Map<StreamName, RunSteps>();
  const bySeq = new Map<number, RunSteps>();
  for (const [stream, run] of unsettled) {
    const steps: RunSteps = { run, rows: new Map(), ended: false };
    runs.set(stream, steps);
    bySeq.set(run.row.seq, steps);
  }
  const places = new Set<number>();
  for (const row of before) {
    places.add(row.place);
    bySeq.get(seqOfStep(row.place))?.rows.set(row.key, row);
  }
  const changed = new Set<StepsTable>();
  for (const commit of commits) {
    const steps = runs.get(commit.stream);
    if (steps !== undefined) foldCommit(steps, commit, changed);
  }
  const inserted: StepsTable[] = [];
  const updated: StepsTable[] = [];
  for (const { rows, ended } of bySeq.values()) {
    for (const row of rows.values()) {
      // By `decide` an end closes all that is open; here nothing open outlives its run in any case.
      if (ended && !isStepEnded(row)) continue;
      if (!places.delete(row.place)) inserted.push(row);
      else if (changed.has(row)) updated.push(row);
    }
  }
  return { inserted: inserted.sort((a, b) => a.place - b.place), updated, removed: [...places] };
};

const foldCommit = (steps: RunSteps, commit: Commit, changed: Set<StepsTable>): void => {
  const { row, after } = steps.run;
  // The row of the run stands where its stream was parked: no step goes further.
  if (commit.firstRevision > row.revision) return;
  const at = recordedAtOf(commit);
  for (const [ordinal, event] of storedEvents(commit).entries()) {
    const revision = commit.firstRevision + ordinal;
    if (revision <= after || steps.ended) continue;
    if (revision > row.revision) return;
    foldEvent(steps, event, { revision, at }, changed);
  }
};

type Place = { readonly revision: number; readonly at: string };

/** Events that change no step are not even parsed. */
const READ: ReadonlySet<string> = new Set<RunEvent['type']>([
  'StepEntered',
  'StepSkipped',
  'ValuesComputed',
  'WaitEnded',
  'StepCompleted',
  'StepFailed',
  'StepCancelled',
  'AttemptStarted',
  'AttemptFailed',
  'AttemptOutcomeUnknown',
]);
const RUN_ENDS: ReadonlySet<string> = new Set<RunEvent['type']>([
  'RunCompleted',
  'RunFailed',
  'RunCancelled',
  'RunTimedOut',
]);

const foldEvent = (steps: RunSteps, stored: StoredEvent, place: Place, changed: Set<StepsTable>): void => {
  if (RUN_ENDS.has(stored.type)) steps.ended = true;
  // Beyond those, places would be the next run's; `STEPWELL_EVENTS_MAX` is lower.
  if (!READ.has(stored.type) || place.revision >= PLACES_A_RUN) return;
  try {
    apply(steps, decodeRunEvent(stored.type, stored.v, stored.data), place, changed);
  } catch {
    // The list of runs passes over the event of a step without reading it, and parks no stream for it. Neither is done
    // here: a run shorter than a batch is not read at all, and a rebuild must park what was parked.
  }
};

/** Says of a step what `foldHistory` says of it: a list and the run must not differ. */
const apply = ({ run, rows }: RunSteps, event: RunEvent, { revision, at }: Place, changed: Set<StepsTable>): void => {
  const change = (key: string, state: Partial<StepsTable> | ((row: StepsTable) => Partial<StepsTable>)): void => {
    const row = rows.get(key);
    if (row === undefined) return;
    Object.assign(row, typeof state === 'function' ? state(row) : state);
    changed.add(row);
  };
  switch (event.type) {
    case 'StepEntered':
    case 'StepSkipped': {
      const url = event.type === 'StepEntered' ? (event.request?.url ?? null) : null;
      const entry = {
        key: checkedText('step', event.step),
        name: checkedText('name', event.name),
        // A reason for the cast: what else is text is shown as it is.
        kind: checkedText('kind', event.kind) as typeof event.kind,
        url: checkedTextOrNull('request.url', url),
      };
      const skipped = event.type === 'StepSkipped';
      rows.set(entry.key, enteredRow(run.row, { ...entry, at, revision, skipped }));
      return;
    }
    case 'ValuesComputed':
      return change(event.step, {
        ...(event.request === null ? undefined : { target: checkedText('request.url', event.request.url) }),
        ...(event.wait === null ? undefined : { status: 'waiting-timer' }),
      });
    case 'WaitEnded':
      return change(event.step, { status: 'running' });
    case 'StepCompleted':
      rows.delete(event.step);
      return;
    case 'StepFailed':
      return change(event.step, { status: 'failed', ...ended(at), ...errorColumns(event.error) });
    case 'StepCancelled':
      for (const [key, row] of rows) {
        if (isStepEnded(row) || !isBelow(key, event.below)) continue;
        const wasInFlight = row.type === 'step' && row.status === 'running';
        const abandoned = { name: 'Stepwell.Abandoned', cause: event.reason };
        change(key, { status: 'cancelled', ...ended(at), ...(wasInFlight ? errorColumns(abandoned) : undefined) });
      }
      return;
    case 'AttemptStarted':
      return change(event.step, (row) => ({
        status: 'running',
        attempts: row.attempts + 1,
        started_at: row.started_at ?? at,
        retry_at: null,
        ...errorColumns(null),
      }));
    case 'AttemptFailed': {
      const retryAt = checkedTextOrNull('retryAt', event.retryAt);
      const next = event.interrupted
        ? { status: 'scheduled' }
        : retryAt === null
          ? {}
          : { status: 'waiting-retry', retry_at: retryAt };
      return change(event.step, { ...errorColumns(event.error), ...next });
    }
    case 'AttemptOutcomeUnknown':
      return change(event.step, { status: 'scheduled', ...errorColumns(null) });
    default:
      return;
  }
};

const ended = (at: string): Partial<StepsTable> => ({ finished_at: at, retry_at: null });

const errorColumns = (error: ErrorInfo | null): Pick<StepsTable, 'error_name' | 'error_cause'> => {
  if (error === null) return { error_name: null, error_cause: null };
  const { name, cause } = checkedError(error);
  return { error_name: name, error_cause: cause };
};
