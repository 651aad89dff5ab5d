import { OUR_STREAMS, type Commit, type EventStore, type Position } from '#event-store';
import type { Clock } from '#runtime';
import type { Applied, Batch } from './view-store.js';

export type LogPage = { readonly commits: readonly Commit[]; readonly scannedTo: Position; readonly atEnd: boolean };

/** The log, read in pages. */
export type LogPages = {
  head(): Position | Promise<Position>;
  page(after: Position): LogPage | Promise<LogPage>;
};

const PAGE_COMMITS = 2_000;

/** Any log, read in pages. */
export const logPages = (log: Pick<EventStore, 'head' | 'readAll'>): LogPages => ({
  head: () => log.head(),
  page: async (after) => {
    const commits = await log.readAll(after, { limit: PAGE_COMMITS, filter: { prefixes: OUR_STREAMS } });
    return { commits, scannedTo: commits.at(-1)?.position ?? after, atEnd: commits.length === 0 };
  },
});

/** What a rebuild writes to. */
export type NewSet = { readonly checkpoint: Position; apply(batch: Batch): Applied | Promise<Applied> };

/** Another rebuild of the same views is under way. */
export class RebuildLocked extends Error {
  readonly code = 'rebuild-locked';
  readonly retryable = true;
}

export type RebuildResult =
  { readonly status: 'switched'; readonly set: string; readonly events: number } | { readonly status: 'interrupted' };

export type RebuildProgress = {
  readonly events: number;
  readonly eventsPerSecond: number;
  /** Of the log as it was when the rebuild began, in [0, 1]. */
  readonly share: number;
  /** `null` while nothing can be said. */
  readonly secondsLeft: number | null;
};

export type RebuildOptions = {
  readonly onProgress: (progress: RebuildProgress) => void;
  readonly signal: AbortSignal;
  /** How many appends are written together, at least. */
  readonly batchCommits?: number;
};

const PROGRESS_MS = 200;
const BATCH_COMMITS_MIN = 4_000;

/**
 * Folds the whole log into an empty set until it stands at the log's head. A log that grows meanwhile is followed, for as
 * long as it is read faster than it grows. Resolves with the number of events, or `null` when the signal has ended it.
 */
export const rebuild = async (
  log: LogPages,
  set: NewSet,
  clock: Clock,
  { onProgress, signal, batchCommits = BATCH_COMMITS_MIN }: RebuildOptions,
): Promise<number | null> => {
  const startMs = clock.monotonicMs();
  const head = await log.head();
  let events = 0;
  let toldMs = startMs;
  for (let after = set.checkpoint; !signal.aborted;) {
    const { commits, through, atEnd } = await nextBatch(log, after, batchCommits);
    if (through > after)
      await set.apply({ after, through, commits: commits.filter(({ stream }) => stream.startsWith('run-')) });
    after = through;
    for (const { count } of commits) events += count;
    const nowMs = clock.monotonicMs();
    if (nowMs - toldMs >= PROGRESS_MS || atEnd) {
      toldMs = nowMs;
      onProgress(progress(events, nowMs - startMs, head <= 0 ? 1 : Math.min(1, Math.max(0, after) / head)));
    }
    if (atEnd) return events;
    // Signals are heard between batches.
    await new Promise((resolve) => setImmediate(resolve));
  }
  return null;
};

const nextBatch = async (
  log: LogPages,
  after: Position,
  batchCommits: number,
): Promise<{ commits: Commit[]; through: Position; atEnd: boolean }> => {
  const commits: Commit[] = [];
  let through = after;
  for (;;) {
    const page = await log.page(through);
    for (const commit of page.commits) commits.push(commit);
    through = page.scannedTo;
    if (page.atEnd || commits.length >= batchCommits) return { commits, through, atEnd: page.atEnd };
  }
};

const progress = (events: number, elapsedMs: number, share: number): RebuildProgress => ({
  events,
  eventsPerSecond: elapsedMs === 0 ? 0 : (events * 1_000) / elapsedMs,
  share,
  secondsLeft: share === 0 ? null : (elapsedMs * (1 - share)) / share / 1_000,
});
