import { hasEndedBy, toMs } from '#domain';
import type { RunId } from '#engine';
import {
  LOG_START,
  prefixesOf,
  runIdOf,
  shardOf,
  storedEvents,
  type Commit,
  type EventStore,
  type Position,
  type Shard,
  type StoredEvent,
} from '#event-store';
import type { Log } from '#runtime';
import type { OpenRun, OpenRuns } from './open-runs/open-runs.js';

const PAGE_COMMITS = 2_000;
const PAGE_BYTES = 4 * 1024 * 1024;
const ROWS_A_BATCH = 20_000;
const PROGRESS_EVERY_COMMITS = 100_000;

/**
 * Brings the rows of some shards in the table of open runs up to the head of the log: from their checkpoints, or from
 * the start where there is none. Only past this head may the owner act for them. Returns the head.
 */
export const takeOver = async (
  store: EventStore,
  table: OpenRuns,
  log: Log,
  shards: readonly Shard[],
): Promise<Position> => {
  const known = await table.checkpoints(shards);
  const head = await store.head();
  const checkpoints = await withoutThoseAhead(table, log, known, head);
  const checkpointOf = (shard: Shard): Position => checkpoints.get(shard) ?? LOG_START;
  let from = head;
  for (const shard of shards) if (checkpointOf(shard) < from) from = checkpointOf(shard);
  // Nothing to read, and nothing to write: on a full disk nothing could be.
  if (shards.every((shard) => checkpoints.has(shard) && checkpointOf(shard) >= head)) return head;
  const scan = new OpenRunScan(checkpointOf);
  let read = 0;
  const filter = { prefixes: prefixesOf(shards) };
  for (let after = from; after < head;) {
    const page = await store.readAll(after, { limit: PAGE_COMMITS, bytesMax: PAGE_BYTES, filter });
    for (const commit of page) scan.note(commit);
    const last = page.at(-1);
    if (last === undefined) break;
    after = last.position;
    read += page.length;
    if (read % PROGRESS_EVERY_COMMITS < PAGE_COMMITS && read >= PROGRESS_EVERY_COMMITS)
      log.info('reading the log for open runs', { appends: read, open: scan.size });
  }
  await writeRows(table, scan, head, shards);
  return head;
};

/** A log that was replaced by an older one knows nothing of what the table tells: for those shards it is made anew. */
const withoutThoseAhead = async (
  table: OpenRuns,
  log: Log,
  checkpoints: ReadonlyMap<Shard, Position>,
  head: Position,
): Promise<ReadonlyMap<Shard, Position>> => {
  const level = new Map([...checkpoints].filter(([, position]) => position <= head));
  const ahead = [...checkpoints.keys()].filter((shard) => !level.has(shard));
  if (ahead.length === 0) return checkpoints;
  log.warn('the table of open runs is ahead of the log, which was replaced by an older one: it is made anew', {
    shards: ahead.length,
    head,
  });
  await table.forget(ahead);
  return level;
};

const writeRows = async (
  table: OpenRuns,
  scan: OpenRunScan,
  head: Position,
  shards: readonly Shard[],
): Promise<void> => {
  const open = scan.open();
  const ended = scan.ended();
  for (let from = 0; from === 0 || from < Math.max(open.length, ended.length); from += ROWS_A_BATCH) {
    const isLast = from + ROWS_A_BATCH >= Math.max(open.length, ended.length);
    // The checkpoints move with the last rows only: a stop in between begins again where this began.
    const rows = { open: open.slice(from, from + ROWS_A_BATCH), ended: ended.slice(from, from + ROWS_A_BATCH) };
    await table.write({ ...rows, checkpoint: isLast ? head : LOG_START, shards });
  }
};

const STEP_ENDS = new Set(['StepCompleted', 'StepFailed', 'StepCancelled']);
/** Of the others nothing but the type is looked at: results of steps are large. */
const TELLING = new Set(['RunStarted', 'StepEntered', 'AttemptFailed']);

type Seen = { openSteps: number; dueMs: number; limitMs: number };
const DUE_NOW: Readonly<Seen> = { openSteps: Infinity, dueMs: 0, limitMs: Infinity };

/** What a pass over the log tells of each run without folding it: ended, or open and due when at the latest. */
class OpenRunScan {
  private readonly runs = new Map<RunId, Seen | null>();

  /** What stands at or before the checkpoint of its shard is in the table already. */
  constructor(private readonly checkpointOf: (shard: Shard) => Position) {}

  get size(): number {
    return this.runs.size;
  }

  note(commit: Commit): void {
    const id = runIdOf(commit.stream);
    if (id === null) return;
    const runId = id as RunId; // the name of a run's stream holds the run's id
    const checkpoint = this.checkpointOf(shardOf(id));
    if (commit.position <= checkpoint) return;
    // From the start of the log every open run is known from its first event, and those that have ended need not be
    // remembered: there may be hundreds of millions.
    const whole = checkpoint === LOG_START;
    const known = this.runs.get(runId);
    let seen = known ?? null;
    if (known === undefined && (!whole || commit.firstRevision === 0))
      seen = { ...DUE_NOW, openSteps: commit.firstRevision === 0 ? 0 : Infinity };
    for (const event of storedEvents(commit)) {
      const ended = hasEndedBy(event.type);
      if (ended === true) seen = null;
      // Opened again: what it owes is for the fold to say.
      else if (ended === false) seen = { ...DUE_NOW };
      else if (seen !== null) this.apply(seen, event);
    }
    if (seen !== null || !whole) this.runs.set(runId, seen);
    else this.runs.delete(runId);
  }

  open(): OpenRun[] {
    const rows: OpenRun[] = [];
    for (const [runId, seen] of this.runs)
      if (seen !== null) rows.push({ runId, dueMs: Math.min(seen.dueMs, seen.limitMs) });
    return rows;
  }

  ended(): RunId[] {
    const ids: RunId[] = [];
    for (const [runId, seen] of this.runs) if (seen === null) ids.push(runId);
    return ids;
  }

  /** Exact for the common case, one step open that waits for its retry; everything else is due now, and folded then. */
  private apply(seen: Seen, event: StoredEvent): void {
    const { type } = event;
    seen.dueMs = 0;
    if (STEP_ENDS.has(type)) seen.openSteps = Infinity;
    if (!TELLING.has(type)) return;
    // Only these members are read, each checked; what does not fit leaves the run due now.
    const fact = JSON.parse(event.data) as {
      kind?: unknown;
      retryAt?: unknown;
      deadlineAt?: unknown;
      timeoutAt?: unknown;
    };
    if (type === 'RunStarted' || type === 'StepEntered') {
      const limit = type === 'RunStarted' ? fact.timeoutAt : fact.deadlineAt;
      if (typeof limit === 'string') seen.limitMs = Math.min(seen.limitMs, toMs(limit));
      if (type === 'StepEntered' && fact.kind === 'step') seen.openSteps += 1;
    } else if (type === 'AttemptFailed' && typeof fact.retryAt === 'string' && seen.openSteps === 1) {
      seen.dueMs = toMs(fact.retryAt);
    }
  }
}
