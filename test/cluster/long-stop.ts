import { hostname } from 'node:os';
import { systemClock } from '#runtime';
import { shardOf } from '#event-store';
import { keyOf, newWish, performWish, type Field } from '../crash/client.js';
import type { Verdict } from '../crash/invariants.js';
import type { Workload } from '../crash/workloads.js';
import type { LedgerEntry } from '../../apps/sample-app/src/ledger.js';
import { Chance } from '../support/chance.js';
import { httpCall } from '../support/http-client.js';
import { eventually, pause } from '../support/pause.js';
import { allSteps, type AttemptShape, type RunShape } from '../support/shapes.js';
import type { Cluster, Member, ShardMove } from './cluster.js';

/** What was seen of a dispatcher that a signal stopped while runs came in, and that a signal woke again. */
export type LongStop = {
  /** As the log and the moves of shards name it. */
  readonly dispatcher: string;
  /** That it owned when it was stopped. */
  readonly shards: readonly number[];
  readonly stoppedAtMs: number;
  readonly wokenAtMs: number;
  /** What the others have counted meanwhile as taken over from one that did not let go. */
  readonly takeOversShown: number;
};

/** The promise: within so long the shards of a dispatcher that says nothing are with others. */
const MOVED_WITHIN_MS = 15_000;
/** So many more are started right before, so that some of its attempts are under way when it is stopped. */
const LONG_RUNS = 30;
const LONG_RUNS_UNDER_WAY_MS = 300;
const BACK_AT_WORK_MS = 30_000;
/** It is watched so long once it owns shards again. */
const WATCHED_MS = 5_000;

/** SIGSTOP to a dispatcher in the middle of its work, SIGCONT after so long; ends when it has worked again for a while. */
export const stopForLong = async (
  cluster: Cluster,
  field: Field,
  long: Workload,
  seed: number,
  stopMs: number,
): Promise<LongStop> => {
  const [member, ...others] = cluster.dispatchers as [Member, ...Member[]];
  const dispatcher = `${hostname()}-${member.child!.pid}`;
  const before = await takeOvers(others);
  const wishes = Array.from({ length: LONG_RUNS }, (_, number) => newWish(keyOf(field, 'long', number), long, false));
  const started = wishes.map((wish, number) => performWish(field, new Chance(seed + number), wish));
  await eventually('long runs to be started', async () => (wishes.some(({ ids }) => ids.size > 0) ? true : null));
  await pause(LONG_RUNS_UNDER_WAY_MS);
  const shards = await cluster.shardsOf(dispatcher);
  member.freeze();
  const stoppedAtMs = systemClock.nowMs();
  await pause(stopMs);
  const takeOversShown = (await takeOvers(others)) - before;
  const wokenAtMs = systemClock.nowMs();
  member.thaw();
  const again = async () => ((await cluster.shardsOf(dispatcher)).length > 0 ? true : null);
  await eventually('the woken dispatcher to own shards again', again, BACK_AT_WORK_MS);
  await pause(WATCHED_MS);
  await Promise.all(started);
  return { dispatcher, shards, stoppedAtMs, wokenAtMs, takeOversShown };
};

const takeOvers = async (members: readonly Member[]): Promise<number> => {
  const counts = members.map(async ({ url }) => {
    const page = await httpCall('GET', `${url}/metrics`);
    return Number(/^stepwell_shard_take_overs_total(?:\{.*\})? (\d+)$/m.exec(page.text)?.[1] ?? Number.NaN);
  });
  return (await Promise.all(counts)).reduce((sum, count) => sum + count, 0);
};

type Made = { readonly runId: string; readonly step: string; readonly attempt: AttemptShape };

/** From outside, by the application, the log and the recorded moves: who is stopped loses its shards, and does nothing for them any more. */
export const judgeLongStop = (
  stop: LongStop,
  runs: readonly RunShape[],
  requests: readonly LedgerEntry[],
  moves: readonly ShardMove[],
): readonly Verdict[] => {
  const seconds = Math.round((stop.wokenAtMs - stop.stoppedAtMs) / 1_000);
  const its = runs.flatMap((run) =>
    allSteps(run.steps).flatMap(({ key, attempts }) =>
      attempts
        .filter(({ dispatcher }) => dispatcher === stop.dispatcher)
        .map((attempt): Made => ({ runId: run.id, step: key, attempt })),
    ),
  );
  const underWay = its.filter(({ attempt }) => isUnderWayAt(attempt, stop.stoppedAtMs));
  const later = its.filter(({ attempt }) => Date.parse(attempt.startedAt) > stop.stoppedAtMs);
  const earlier = new Set(its.filter((made) => !later.includes(made)).map(nameOf));
  const sent = requests.filter((request) => request.atMs >= stop.wokenAtMs && earlier.has(nameOfRequest(request)));
  return [
    {
      title: `the shards of a dispatcher that is stopped for ${seconds} s are with others within 15 s`,
      checked: stop.shards.length,
      unit: 'shards',
      violations: stop.shards.flatMap((shard) => movedLate(stop, shard, moves)),
    },
    {
      title: 'the others count what they took over from it',
      checked: stop.takeOversShown,
      unit: 'take-overs',
      violations:
        stop.takeOversShown < stop.shards.length
          ? [`${stop.takeOversShown} are counted, and it had ${stop.shards.length} shards`]
          : [],
    },
    {
      title: 'what it had under way is taken for unknown, and nothing that it heard later is in the log',
      checked: underWay.length,
      unit: 'attempts',
      violations: underWay.flatMap(({ runId, step, attempt: { number, outcome, status, endedAt } }) =>
        status === null ? [] : [`${runId} ${step} attempt ${number}: ${outcome} (${status}) at ${endedAt}`],
      ),
    },
    {
      title: 'woken, it makes attempts only of runs whose shard has come to it again',
      checked: later.length,
      unit: 'attempts',
      violations: later
        .filter(({ runId, attempt }) => !isOwnedAgain(stop, shardOf(runId), Date.parse(attempt.startedAt), moves))
        .map(({ runId, step, attempt }) => `${runId} ${step} attempt ${attempt.number} at ${attempt.startedAt}`),
    },
    {
      title: 'woken, it sends nothing of what it was about to send, but for one that the signal met in the very write',
      checked: earlier.size,
      unit: 'attempts',
      violations: isOneInTheWrite(stop, sent)
        ? []
        : sent.map((each) => `${nameOfRequest(each)} came ${Math.round(each.atMs - stop.wokenAtMs)} ms after it woke`),
    },
  ];
};

const nameOf = ({ runId, step, attempt }: Made): string => `${runId} ${step} ${attempt.number}`;
const nameOfRequest = ({ runId, step, attempt }: LedgerEntry): string => `${runId} ${step} ${attempt}`;

/** Appends that had left it when it was stopped come soon after; what ends later than that is not its doing. */
const ON_THE_WAY_MS = 1_000;

const isUnderWayAt = ({ startedAt, endedAt }: AttemptShape, atMs: number): boolean =>
  Date.parse(startedAt) <= atMs && (endedAt === null || Date.parse(endedAt) > atMs + ON_THE_WAY_MS);

/** A woken write is done at once; this leaves room for ten processes on few cores. */
const WRITTEN_WITHIN_MS = 500;

/**
 * Between the last question, whether it may, and the system call that sends, no process can look again; the signal falls
 * there now and then (once in 300 stops of a client that sends without pause). One thread sends, so it meets one request.
 */
const isOneInTheWrite = ({ wokenAtMs }: LongStop, sent: readonly LedgerEntry[]): boolean =>
  sent.length <= 1 && sent.every(({ atMs }) => atMs - wokenAtMs <= WRITTEN_WITHIN_MS);

const movedLate = (
  { dispatcher, stoppedAtMs }: LongStop,
  shard: number,
  moves: readonly ShardMove[],
): readonly string[] => {
  const move = moves.find((each) => each.shard === shard && each.from === dispatcher && each.atMs >= stoppedAtMs);
  if (move === undefined) return [`shard ${shard}: no move is recorded`];
  const tookMs = Math.round(move.atMs - stoppedAtMs);
  if (tookMs > MOVED_WITHIN_MS) return [`shard ${shard} has moved after ${tookMs} ms`];
  return move.reason === 'silent' ? [] : [`shard ${shard} has moved as of one that ${move.reason}`];
};

const isOwnedAgain = (
  { dispatcher, stoppedAtMs }: LongStop,
  shard: number,
  atMs: number,
  moves: readonly ShardMove[],
): boolean => {
  const last = moves.findLast((each) => each.shard === shard && each.atMs <= atMs);
  return last?.to === dispatcher && last.atMs > stoppedAtMs;
};
