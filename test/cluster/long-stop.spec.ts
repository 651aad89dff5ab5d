import { describe, expect, it } from '@jest/globals';
import type { LedgerEntry } from '../../apps/sample-app/src/ledger.js';
import { shardOf } from '#event-store';
import { instantOf } from '#runtime';
import { passes } from '../crash/invariants.js';
import type { AttemptShape, RunShape, StepShape } from '../support/shapes.js';
import type { ShardMove } from './cluster.js';
import { judgeLongStop, type LongStop } from './long-stop.js';

// A judge who never condemns proves nothing: each promise is broken once here, and must be the one that fails.

const STOPPED_MS = Date.parse('2026-11-20T10:00:00.000Z');
const at = (seconds: number): string => instantOf(STOPPED_MS + seconds * 1_000);

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

const attempt = (
  dispatcher: string,
  startedAt: string,
  endedAt: string,
  status: number | null,
): Mutable<AttemptShape> => ({
  number: 1,
  outcome: status === null ? 'unknown' : 'succeeded',
  status,
  error: null,
  url: null,
  startedAt,
  endedAt,
  retryAt: null,
  dispatcher,
});

/** Reasons for the casts: only what the judge looks at. */
const runOf = (id: string, ...attempts: readonly AttemptShape[]): RunShape => {
  const step: Partial<StepShape> = { key: 'only', attempts, steps: [] };
  const run: Partial<RunShape> = { id, steps: [step as StepShape] };
  return run as RunShape;
};

const ID = 'aa1';
const LATER = 'zz1';

const request = (runId: string, atMs: number): LedgerEntry => ({
  seq: 1,
  atMs,
  path: '',
  idempotencyKey: '',
  runId,
  step: 'only',
  attempt: 1,
  status: 200,
  effect: 'applied',
});

/** A dispatcher that had one attempt under way when it was stopped, and made one of another run when it was back. */
const seen = () => {
  const shard = shardOf(ID);
  const stop: Mutable<LongStop> = {
    dispatcher: 'd1',
    shards: [shard],
    stoppedAtMs: STOPPED_MS,
    wokenAtMs: STOPPED_MS + 60_000,
    takeOversShown: 1,
  };
  const underWay = attempt('d1', at(-0.1), at(11), null);
  const later = attempt('d1', at(65), at(66), 200);
  const moves: Mutable<ShardMove>[] = [
    { shard, from: null, to: 'd1', reason: 'joined', atMs: STOPPED_MS - 10_000 },
    { shard, from: 'd1', to: 'd2', reason: 'silent', atMs: STOPPED_MS + 11_000 },
    { shard: shardOf(LATER), from: 'd2', to: 'd1', reason: 'joined', atMs: STOPPED_MS + 62_000 },
  ];
  const runs = [runOf(ID, underWay, { ...attempt('d2', at(11), at(12), 200), number: 2 }), runOf(LATER, later)];
  const requests = [request(ID, STOPPED_MS), request(LATER, STOPPED_MS + 65_000)];
  return { stop, underWay, later, moves, runs, requests };
};

type Seen = ReturnType<typeof seen>;

const failing = ({ stop, runs, requests, moves }: Seen): readonly string[] =>
  judgeLongStop(stop, runs, requests, moves)
    .filter((verdict) => !passes(verdict))
    .map(({ title }) => title);

const MOVED = 'the shards of a dispatcher that is stopped for 60 s are with others within 15 s';
const COUNTED = 'the others count what they took over from it';
const UNKNOWN = 'what it had under way is taken for unknown, and nothing that it heard later is in the log';
const OWNED = 'woken, it makes attempts only of runs whose shard has come to it again';
const SENT = 'woken, it sends nothing of what it was about to send, but for one that the signal met in the very write';

const BREACHES: readonly [promise: string, breach: string, commit: (found: Seen) => unknown][] = [
  [MOVED, 'a shard stays with it', ({ moves }) => moves.splice(1, 1)],
  [MOVED, 'a shard has moved too late', ({ moves }) => (moves[1]!.atMs = STOPPED_MS + 15_001)],
  [MOVED, 'a shard has moved for another reason', ({ moves }) => (moves[1]!.reason = 'left')],
  [COUNTED, 'the move shows nowhere', ({ stop }) => (stop.takeOversShown = 0)],
  [
    UNKNOWN,
    'it has recorded an answer that came while it was stopped',
    ({ underWay }) => Object.assign(underWay, { status: 200, outcome: 'succeeded', endedAt: at(60.1) }),
  ],
  [UNKNOWN, 'it had nothing under way', ({ underWay }) => (underWay.endedAt = at(0))],
  [OWNED, 'it makes an attempt of a run that is not its own', ({ moves }) => (moves[2]!.to = 'd3')],
  [OWNED, 'it makes an attempt before the shard is its own again', ({ later }) => (later.startedAt = at(60.1))],
  [OWNED, 'it never works again', ({ runs }) => runs.pop()],
  [SENT, 'it sends what it had begun before', ({ requests }) => requests.push(request(ID, STOPPED_MS + 60_600))],
  [
    SENT,
    'it sends two at once of what it had begun before',
    ({ requests }) => requests.push(request(ID, STOPPED_MS + 60_020), request(ID, STOPPED_MS + 60_020)),
  ],
];

describe('the judge of a dispatcher that was stopped', () => {
  it('finds nothing against one that is as it should be', () => {
    expect(failing(seen())).toEqual([]);
  });

  it.each(BREACHES)('condemns by "%s" when %s', (promise, _, commit) => {
    const found = seen();
    commit(found);
    expect(failing(found)).toContain(promise);
  });

  it('lets pass the one request that the signal met in the very write', () => {
    const found = seen();
    found.requests.push(request(ID, STOPPED_MS + 60_020));
    expect(failing(found)).toEqual([]);
  });

  it('has a breach for every promise', () => {
    const { stop, runs, requests, moves } = seen();
    const titles = judgeLongStop(stop, runs, requests, moves).map(({ title }) => title);
    expect(new Set(BREACHES.map(([promise]) => promise))).toEqual(new Set(titles));
  });
});
