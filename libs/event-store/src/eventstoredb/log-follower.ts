import { aborted, pause, type Clock, type Log } from '#runtime';
import type { Commit, Filter, Position, StreamName, SubscriptionMessage } from '../event-store.js';
import { lets } from '../log-followers.js';
import { isFallenBehind, isPermanent } from './grpc-errors.js';
import { restOf, serverPosition, type LogReader } from './log-reader.js';
import type { ReadRequest, ServerPosition } from './read-request.js';

const EVERYTHING = Number.MAX_SAFE_INTEGER;
const PAUSE_MIN_MS = 50;
const PAUSE_MAX_MS = 2000;
/** So many reads in a row that bring nothing are enough: the next append is told. Fewer would cost more subscriptions than they save. */
const EMPTY_READS_MAX = 25;

/** How far a subscription is: what it has handed on, and from where the server is asked when the call breaks. */
type Progress = {
  /** Of the last commit that was handed on. */
  position: Position;
  /** Everything up to here was looked at: `position`, or later where the filter lets nothing through. */
  scanned: ServerPosition | 'start';
  /** Of the last event of the one stream that is followed; `null` before the first. */
  revision: number | null;
};

/**
 * Follows the log: a read up to the end, `caught-up`, then a subscription of the server; all of it again from where it
 * was, when the call breaks. So it needs no word of the server that it has caught up, which those before 23.10 do not say.
 * Some servers end a subscription whenever many events are appended at once. That is the way with them and no interruption:
 * another takes its place at once, without a read, and `caught-up` is not said again.
 */
export const follow = async function* (
  reader: LogReader,
  after: Position,
  { log, ...following }: Following & { readonly log: Log },
): AsyncGenerator<SubscriptionMessage> {
  const { clock, signal } = following;
  const progress: Progress = { position: after, scanned: serverPosition(after), revision: null };
  /** `caught-up` was said, and nothing but the way of such servers has interrupted since. */
  let isLive = false;
  let behindAt: Position | null = null;
  let isBroken = false;
  for (let pauseMs = PAUSE_MIN_MS; !signal.aborted; pauseMs = Math.min(pauseMs * 2, PAUSE_MAX_MS)) {
    try {
      const messages: AsyncGenerator<SubscriptionMessage> = isLive
        ? news(reader, progress, following)
        : followOnce(reader, progress, following);
      for await (const message of messages) {
        pauseMs = PAUSE_MIN_MS;
        isBroken = false;
        isLive ||= message.type === 'caught-up';
        yield message;
      }
    } catch (error) {
      if (isPermanent(error)) throw error;
      const isBehind = isLive && isFallenBehind(error);
      if (isBehind && progress.position !== behindAt) {
        behindAt = progress.position;
        continue;
      }
      if (!isBehind) {
        isLive = false;
        // Once, and without a stack: while the server is away, each subscription tries again for as long as it takes.
        const reason = error instanceof Error ? error.message : String(error);
        if (!isBroken) log.warn('a subscription to EventStoreDB broke; it goes on from where it was', { reason });
        isBroken = true;
      }
    }
    await pause(clock, pauseMs, signal);
  }
};

type Following = {
  readonly clock: Clock;
  readonly filter: Filter;
  readonly gatherMs?: (() => number) | undefined;
  readonly signal: AbortSignal;
};

const followOnce = async function* (
  reader: LogReader,
  progress: Progress,
  following: Following,
): AsyncGenerator<SubscriptionMessage> {
  const { filter, signal } = following;
  // Before the read: everything up to here is read when that has come to the end.
  const head = await reader.head();
  if (lets(filter, filter.stream ?? anyStream(filter))) {
    yield* given(reader, progress, { ...following, request: stored(filter, progress) });
  }
  if (signal.aborted) return;
  const caughtUp = head > progress.position ? head : progress.position;
  if (filter.stream === undefined && caughtUp === head) progress.scanned = serverPosition(head);
  yield { type: 'caught-up', position: caughtUp };
  if (lets(filter, filter.stream ?? anyStream(filter))) yield* news(reader, progress, following);
  else await aborted(signal);
};

/**
 * What is appended from now on. Told of each append by a subscription, a server under load makes two threads and two processes
 * wake for each; so while the reader lets appends gather, what has come is read at once, and the server is told nothing. As
 * network drivers do: polled while there is much, woken when there is little.
 */
const news = async function* (
  reader: LogReader,
  progress: Progress,
  following: Following,
): AsyncGenerator<SubscriptionMessage> {
  const { clock, filter, gatherMs = () => 0, signal } = following;
  while (!signal.aborted) {
    for await (const message of given(reader, progress, { ...following, request: coming(filter, progress) })) {
      yield message;
      if (gatherMs() > 0) break;
    }
    for (let empty = 0; empty < EMPTY_READS_MAX && !signal.aborted;) {
      const waitMs = gatherMs();
      if (waitMs === 0) break;
      await pause(clock, waitMs, signal);
      // Else each would begin again at the last append that the filter has let through.
      const head = empty === 0 ? null : await reader.head();
      empty += 1;
      for await (const message of given(reader, progress, { ...following, request: stored(filter, progress) })) {
        yield message;
        empty = 0;
      }
      if (head !== null && head > progress.position && !signal.aborted) progress.scanned = serverPosition(head);
    }
  }
};

/** A name that a filter without a stream lets through, if it lets any. */
const anyStream = ({ prefixes }: Filter): StreamName => (prefixes?.[0] ?? '') as StreamName;

const stored = ({ stream, prefixes, audience }: Filter, { scanned, revision }: Progress): ReadRequest => ({
  source:
    stream === undefined
      ? { position: scanned, prefixes: prefixes ?? null, audience }
      : { stream, revision: revision ?? 'start' },
  count: EVERYTHING,
});

const coming = (filter: Filter, progress: Progress): ReadRequest => ({
  ...stored(filter, progress),
  count: 'subscription',
});

/** Everything up to here was handed on. */
const reachedBy = ({ position, scanned }: Progress): Position => {
  const looked = scanned === 'start' ? position : (Number(scanned.commit) as Position); // positions are the server's
  return looked > position ? looked : position;
};

/** What a read brings, beyond what was handed on before. */
const given = async function* (
  reader: LogReader,
  progress: Progress,
  { request, filter, signal }: Following & { request: ReadRequest },
): AsyncGenerator<SubscriptionMessage> {
  const { inflow, regrouping } = await reader.open(request, progress.position);
  signal.addEventListener('abort', inflow.stopWaiting);
  try {
    for (let isOver = false; !isOver && !signal.aborted;) {
      const arrivals = await inflow.take();
      if (signal.aborted) return;
      isOver = arrivals === null;
      if (isOver && request.count === 'subscription') throw new Error('the server has ended the subscription');
      const commits: Commit[] = [];
      let { scanned } = progress;
      for (const arrival of arrivals ?? restOf(regrouping)) {
        if (arrival.type === 'checkpoint') {
          scanned = arrival;
          continue;
        }
        const commit = arrival.type === 'commit' ? arrival.commit : await reader.whole(arrival.events);
        progress.revision = commit.firstRevision + commit.count - 1;
        if (commit.position <= progress.position) continue;
        commits.push(commit);
        scanned = serverPosition(commit.position);
      }
      const last = commits.at(-1);
      if (last !== undefined) progress.position = last.position;
      progress.scanned = scanned;
      const position = reachedBy(progress);
      const moved = filter.audience !== undefined && position > progress.position;
      if (commits.length > 0 || moved) yield { type: 'commits', commits, position };
    }
  } finally {
    signal.removeEventListener('abort', inflow.stopWaiting);
    inflow.close();
  }
};
