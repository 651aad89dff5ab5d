import {
  isEnded,
  type ErrorInfo,
  type Instant,
  type RunEvent,
  type RunStarted,
  type RunStatus,
  type StepKey,
} from '#domain';
import type { Commit, Position, Revision, StoredEvent, StreamName } from '#event-store';
import { decodeRunEvent, FOREIGN, firstTypeOf, positionAt, recordedAtOf, runIdOf, storedEvents } from '#event-store';
import { checkedError, checkedText, checkedTextOrNull } from './checked-values.js';
import type { ParkedStream } from './view-store.js';

/** A run as lists show it, and what is needed to go on folding. One row in every store. */
export type RunRow = {
  /** Place among all runs, from 1, in the order of their starts in the log: a rebuild gives the same. Cursors are made of it. */
  readonly seq: number;
  /** The hash that names the stream. */
  readonly runId: string;
  readonly id: string;
  readonly key: string;
  readonly workflow: string | null;
  readonly version: number | 'draft' | null;
  readonly namespace: string;
  readonly queue: string;
  readonly tags: Readonly<Record<string, string>>;
  readonly correlationId: string | null;
  readonly requestor: string | null;
  readonly createdAt: Instant;
  readonly startPosition: Position;
  status: RunStatus;
  reason: string | null;
  error: ErrorInfo | null;
  finishedAt: Instant | null;
  resolved: boolean;
  /** Of the last event folded. */
  revision: number;
};

/** What a batch of the log changes: values that any store can apply, only the last state of each row. */
export type RunListChanges = {
  readonly inserted: readonly RunRow[];
  readonly updated: readonly RunRow[];
  /** Steps whose first attempt has started, by the run that sends their `Idempotency-Key`. */
  readonly attempted: readonly { readonly seq: number; readonly runId: string; readonly step: StepKey }[];
  /** Runs that may have steps in the list of steps, or have had, by their stream: all but those that began and completed in this batch. */
  readonly unsettled: ReadonlyMap<StreamName, UnsettledRun>;
  /** Parked now, or parked before and skipped again. */
  readonly parked: readonly ParkedStream[];
  /** Archived: these rows go, with all by which they are found. */
  readonly removed: readonly RunRow[];
  /** Archived, and parked until now. */
  readonly unparked: readonly StreamName[];
  /** The highest place given so far. Kept by the store, since the row that held it may go. */
  readonly lastSeq: number;
};

/** A run whose steps are to be folded: its events after that revision, up to the row's. */
export type UnsettledRun = { readonly row: Readonly<RunRow>; readonly after: number };

/** What the view holds before a batch. The fold owns the rows it is given and updates them in place. */
export type RunListBefore = {
  /** The rows of `rowsNeeded`, as far as there are such rows. */
  readonly rows: ReadonlyMap<string, RunRow>;
  readonly parked: ReadonlyMap<string, ParkedStream>;
  readonly lastSeq: number;
};

/** Run ids of the streams that go on in a batch, having started before it. */
export const rowsNeeded = (commits: readonly Commit[]): ReadonlySet<string> => {
  const started = new Set<string>();
  const needed = new Set<string>();
  for (const { stream, firstRevision } of commits) {
    if (firstRevision === 0) started.add(stream);
    else if (!started.has(stream)) needed.add(runIdIn(stream));
  }
  return needed;
};

/**
 * Folds commits of runs, in the order of the log, into the changes of the list. Total: an event that cannot be folded
 * parks its stream, and the rest goes on. How the log is cut into batches makes no difference to the rows. The stub of an
 * archived run settles all there is of it, also where part of the history is gone from the log and part is not yet.
 */
export const foldRunList = (before: RunListBefore, commits: readonly Commit[]): RunListChanges => {
  const inserted: RunRow[] = [];
  const updated = new Set<RunRow>();
  const rows = new Map(before.rows);
  const parked = new Map<string, ParkedStream>();
  const attempted: { seq: number; runId: string; step: StepKey }[] = [];
  const unsettled = new Map<StreamName, UnsettledRun>();
  const unevenStreams = new Set<StreamName>();
  const begun = new Map<StreamName, RunRow>();
  const removed: RunRow[] = [];
  const unparked: StreamName[] = [];
  let lastSeq = before.lastSeq;
  for (const commit of commits) {
    if (commit.firstRevision > 0 && firstTypeOf(commit) === 'RunArchived') {
      const row = rows.get(runIdIn(commit.stream));
      if (row !== undefined) removed.push(row);
      rows.delete(runIdIn(commit.stream));
      parked.delete(commit.stream);
      if (before.parked.has(commit.stream)) unparked.push(commit.stream);
      continue;
    }
    const held = parked.get(commit.stream) ?? before.parked.get(commit.stream);
    if (held !== undefined) {
      parked.set(commit.stream, { ...held, skipped: held.skipped + commit.count });
      continue;
    }
    const runId = runIdIn(commit.stream);
    const known = rows.get(runId) ?? null;
    let row = known;
    if (known !== null && !isEnded(known) && known.seq <= before.lastSeq && !unsettled.has(commit.stream))
      unsettled.set(commit.stream, { row: known, after: known.revision });
    let ordinal = -1;
    let type = 'unreadable';
    try {
      const events = storedEvents(commit);
      for (ordinal = 0; ordinal < events.length; ordinal++) {
        const event = events[ordinal]!;
        type = event.type;
        const place = { commit, ordinal };
        // Without a run it is of none.
        if (row === null && type === FOREIGN) continue;
        if (row !== null && revisionOf(place) <= row.revision) continue;
        const step = attemptedStep(event);
        if (row === null) row = startedRow(event, place, lastSeq + 1);
        else if (foldEvent(row, event, place) === 'leaves a step' && !isEnded(row)) unevenStreams.add(commit.stream);
        if (step !== null) attempted.push({ seq: row.seq, runId, step });
      }
    } catch (error) {
      parked.set(commit.stream, parkedAt({ commit, ordinal: Math.max(ordinal, 0) }, type, error));
    }
    if (row === null) continue;
    if (known !== null) {
      if (row.seq <= before.lastSeq) updated.add(row);
      continue;
    }
    lastSeq = row.seq;
    rows.set(runId, row);
    inserted.push(row);
    begun.set(commit.stream, row);
  }
  for (const [stream, row] of begun) {
    if (!isEnded(row) || unevenStreams.has(stream)) unsettled.set(stream, { row, after: -1 });
  }
  const changes = { inserted, updated: [...updated], attempted, unsettled, parked: [...parked.values()] };
  return { ...withoutArchived(changes, removed, before.lastSeq), unparked, lastSeq };
};

type Changes = Pick<RunListChanges, 'inserted' | 'updated' | 'attempted' | 'unsettled' | 'parked'>;

/** Of a run that was archived nothing is written; its row goes, if it was there before the batch. */
const withoutArchived = (
  changes: Changes,
  archived: readonly RunRow[],
  lastSeq: number,
): Changes & Pick<RunListChanges, 'removed'> => {
  if (archived.length === 0) return { ...changes, removed: [] };
  const gone = new Set(archived.map(({ seq }) => seq));
  const stays = ({ seq }: { readonly seq: number }): boolean => !gone.has(seq);
  return {
    inserted: changes.inserted.filter(stays),
    updated: changes.updated.filter(stays),
    attempted: changes.attempted.filter(stays),
    unsettled: new Map([...changes.unsettled].filter(([, { row }]) => stays(row))),
    parked: changes.parked,
    removed: archived.filter(({ seq }) => seq <= lastSeq),
  };
};

/** Which event of which append. */
type Place = { readonly commit: Commit; readonly ordinal: number };

// Brands: both are counted from the commit's own, and positions of one append follow each other up to it.
const revisionOf = ({ commit, ordinal }: Place): Revision => (commit.firstRevision + ordinal) as Revision;
const positionOf = ({ commit, ordinal }: Place): Position => positionAt(commit, ordinal);

/** The fold threw at this event, or the commit could not be read at all. */
const parkedAt = (place: Place, eventType: string, error: unknown): ParkedStream => ({
  stream: place.commit.stream,
  position: positionOf(place),
  revision: revisionOf(place),
  eventType,
  error: error instanceof Error ? error.message : String(error),
  skipped: place.commit.count - place.ordinal,
});

type Use = 'read' | 'attempt' | 'leaves a step' | 'passed over';

/** What the list makes of each type; attempts leave no trace in the row. A type that is not here is unknown, and parks its stream: nothing is skipped in silence. */
const USES: Readonly<Record<RunEvent['type'], Use>> = {
  RunStarted: 'read',
  RunCompleted: 'read',
  RunFailed: 'read',
  RunCancelled: 'read',
  RunTimedOut: 'read',
  AttemptStarted: 'attempt',
  DuplicateStartsSeen: 'passed over',
  DuesMoved: 'passed over',
  StepEntered: 'passed over',
  ValuesComputed: 'passed over',
  SlotOpened: 'passed over',
  WaitEnded: 'passed over',
  StepCompleted: 'passed over',
  StepFailed: 'leaves a step',
  StepCancelled: 'leaves a step',
  StepSkipped: 'leaves a step',
  AttemptSucceeded: 'passed over',
  AttemptFailed: 'passed over',
  AttemptOutcomeUnknown: 'passed over',
  // The fold takes it before it comes here: it is no event of a row, but the end of one.
  RunArchived: 'passed over',
  Foreign: 'passed over',
};
const USES_BY_TYPE: ReadonlyMap<string, Use> = new Map(Object.entries(USES));

const foldEvent = (row: RunRow, event: StoredEvent, place: Place): Use => {
  const revision = revisionOf(place);
  if (revision !== row.revision + 1) throw new Error(`revision ${revision} follows revision ${row.revision}`);
  const use = USES_BY_TYPE.get(event.type);
  // Payloads make most of the bytes of the events that are passed over: they are not even parsed.
  if (use === 'read' || use === undefined) applyEvent(row, decoded(event), place.commit);
  row.revision = revision;
  return use ?? 'read';
};

const decoded = ({ type, v, data }: StoredEvent): RunEvent => decodeRunEvent(type, v, data);

/** Says of an end what `foldHistory` says of it: a list and the run must not differ. */
const applyEvent = (row: RunRow, event: RunEvent, commit: Commit): void => {
  switch (event.type) {
    case 'RunCompleted':
      return end(row, 'completed', commit, null, null);
    case 'RunFailed': {
      const error = checkedError(event.error);
      return end(row, 'failed', commit, error.cause ?? error.name, error);
    }
    case 'RunCancelled':
      return end(row, 'cancelled', commit, checkedTextOrNull('reason', event.reason), null);
    case 'RunTimedOut': {
      const error = checkedError(event.error);
      return end(row, 'timed-out', commit, error.cause, error);
    }
    case 'RunStarted':
      throw new Error('a run starts once');
    default:
      return;
  }
};

const end = (row: RunRow, status: RunStatus, commit: Commit, reason: string | null, error: ErrorInfo | null): void => {
  row.finishedAt = recordedAtOf(commit);
  row.status = status;
  row.reason = reason;
  row.error = error;
  // Nobody need look at these any more; the other ends wait for a person.
  row.resolved = status === 'completed' || status === 'cancelled';
};

const attemptedStep = (stored: StoredEvent): StepKey | null => {
  if (stored.type !== 'AttemptStarted') return null;
  const event = decoded(stored);
  // Attempt 1 always comes, and all attempts of a step send the same key.
  return event.type === 'AttemptStarted' && event.attempt === 1 ? checkedText('step', event.step) : null;
};

const startedRow = ({ type, v, data }: StoredEvent, place: Place, seq: number): RunRow => {
  if (type !== 'RunStarted') throw new Error(`${type} before the run has started`);
  // The codec says so of the type.
  const event = decodeRunEvent(type, v, data) as RunStarted;
  return {
    seq,
    runId: runIdIn(place.commit.stream),
    id: checkedText('id', event.id),
    key: checkedText('key', event.key),
    workflow: checkedTextOrNull('workflow', event.workflow),
    version: checkedVersion(event.version),
    namespace: checkedText('namespace', event.namespace),
    queue: checkedText('queue', event.queue),
    tags: checkedTags(event.tags),
    correlationId: checkedTextOrNull('correlationId', event.correlationId),
    requestor: checkedTextOrNull('requestor', event.requestor),
    createdAt: recordedAtOf(place.commit),
    startPosition: positionOf(place),
    status: 'running',
    reason: null,
    error: null,
    finishedAt: null,
    resolved: false,
    revision: revisionOf(place),
  };
};

const checkedVersion = (value: unknown): RunRow['version'] => {
  if (value === null || value === 'draft' || (typeof value === 'number' && Number.isSafeInteger(value))) return value;
  throw new Error('version is neither a number nor "draft"');
};

const checkedTags = (value: unknown): RunRow['tags'] => {
  if (typeof value !== 'object' || value === null) throw new Error('tags is not an object');
  for (const name in value) checkedText(`tag ${name}`, (value as Record<string, unknown>)[name]);
  return value as RunRow['tags'];
};

const runIdIn = (stream: Commit['stream']): string => runIdOf(stream) ?? stream;
