import { describe, expect, it } from '@jest/globals';

import type { LedgerEntry } from '../../apps/sample-app/src/ledger.js';
import type { AttemptShape, EventShape, RunShape, StepShape } from '../support/shapes.js';
import { newWish, type Wish } from './client.js';
import type { Evidence } from './evidence.js';
import { judge, passes } from './invariants.js';
import { workloads } from './workloads.js';

// A judge who never condemns proves nothing: each promise is broken once here, and must be the one that fails.

const AT = '2026-11-20T10:00:00.000Z';
const single = workloads('http://app', 'http://trap').find(({ name }) => name === 'single')!;

type Mutable<T> = { -readonly [K in keyof T]: T[K] extends readonly (infer E)[] ? Mutable<E>[] : T[K] };

const attempt = (number: number, outcome: AttemptShape['outcome'], status: number | null): Mutable<AttemptShape> => ({
  number,
  outcome,
  status,
  error: null,
  url: 'http://app',
  startedAt: AT,
  endedAt: AT,
  retryAt: null,
  dispatcher: 'd',
});

const request = (seq: number, number: number, effect: LedgerEntry['effect']): Mutable<LedgerEntry> => ({
  seq,
  atMs: seq,
  path: '/steps/create-user',
  idempotencyKey: 'outgoing',
  runId: 'r1',
  step: 'create-user',
  attempt: number,
  status: 200,
  effect,
});

const event = (revision: number, type: string): EventShape => ({
  id: String(revision),
  type,
  revision,
  recordedAt: AT,
  data: {},
});

/** A run of one step whose first attempt was cut off by a kill, as it should look. */
const evidence = () => {
  const step: Mutable<StepShape> = {
    key: 'create-user',
    name: 'create-user',
    type: 'step',
    status: 'completed',
    input: null,
    output: null,
    error: null,
    enteredAt: AT,
    startedAt: AT,
    finishedAt: AT,
    attempts: [attempt(1, 'unknown', null), attempt(2, 'succeeded', 200)],
    steps: [],
  };
  const run: Mutable<RunShape> = {
    id: 'r1',
    key: 'k1',
    workflow: 'single',
    version: 1,
    status: 'completed',
    reason: null,
    input: null,
    output: null,
    error: null,
    createdAt: AT,
    finishedAt: AT,
    revision: 8,
    waiting: [],
    steps: [step],
  };
  const wish: Wish = { ...newWish('k1', single, false), acknowledged: 2, replays: 1, cancel: 'too late' };
  wish.ids.add('r1');
  wish.bodies.add('{"id":"r1"}');
  // A repetition of the start was counted after the end.
  Object.assign(run, { duplicateStarts: { count: 1, refused: 0 } });
  const before = { duplicateStarts: { count: 0, refused: 0 } };
  wish.finals.push({ ...run, ...before, revision: 7 });
  const quietStep = { ...step, attempts: [attempt(1, 'succeeded', 200)] };
  const quietRun = { ...run, id: 'r2', key: 'k2', steps: [quietStep] };
  const quiet: Wish = { ...newWish('k2', single, true), acknowledged: 1 };
  quiet.ids.add('r2');
  const types = [
    'RunStarted',
    'StepEntered',
    'AttemptStarted',
    'AttemptOutcomeUnknown',
    'AttemptStarted',
    'AttemptSucceeded',
    'StepCompleted',
    'RunCompleted',
    'DuplicateStartsSeen',
  ];
  return {
    step,
    run,
    wish,
    quiet,
    wishes: [wish, quiet],
    runs: new Map<string, RunShape | null>([
      ['r1', run],
      ['r2', quietRun],
    ]),
    listed: new Map<string, readonly RunShape[]>([
      ['r1', [{ ...run }]],
      ['r2', [{ ...quietRun }]],
    ]),
    requests: [
      request(1, 1, 'applied'),
      request(2, 2, 'duplicate'),
      { ...request(3, 1, 'applied'), runId: 'r2', idempotencyKey: 'outgoing-2' },
    ],
    dropped: 0,
    histories: new Map([['r1', types.map((type, revision) => event(revision, type))]]),
  } satisfies Evidence & Record<string, unknown>;
};

const failing = (found: Evidence): readonly string[] =>
  judge(found)
    .filter((verdict) => !passes(verdict))
    .map(({ title }) => title);

type Found = ReturnType<typeof evidence>;

const BREACHES: readonly [promise: string, breach: string, commit: (found: Found) => void][] = [
  ['every acknowledged start is there', 'an acknowledged run is lost', (found) => found.runs.set('r1', null)],
  ['every run ended', 'a run is left open', (found) => (found.run.status = 'running')],
  ['every run ended as its definition says', 'a run fails that should not', (found) => (found.run.status = 'failed')],
  ['one key is one run', 'a key gives two runs', (found) => found.wish.ids.add('r2')],
  ['a replay is answered with the same bytes', 'a replay differs', (found) => found.wish.bodies.add('{"id":"r1" }')],
  ['an acknowledged cancel holds', 'a cancelled run completes', (found) => (found.wish.cancel = 'acknowledged')],
  ['a result that was answered stays', 'the output changes after it was answered', (found) => (found.run.output = 1)],
  [
    'no request without its attempt in the log',
    'a request was sent before its attempt was recorded',
    (found) => found.requests.push(request(4, 3, 'duplicate')),
  ],
  [
    'an attempt is sent at most once',
    'an attempt was sent, forgotten and sent again',
    (found) => found.requests.push(request(4, 2, 'duplicate')),
  ],
  [
    'requests a run lie between the answered attempts and those plus the uncertain',
    'an answered attempt was never received',
    (found) => found.requests.splice(0, 2),
  ],
  [
    'effects a completed step lie between 1 and 1 + uncertain attempts',
    'a step completes without its effect',
    (found) => found.requests.splice(0, 2),
  ],
  [
    'without faults and kills, exactly one effect a step and one request an attempt',
    'a quiet step is done twice',
    (found) => found.requests.push({ ...found.requests[2]!, seq: 5 }),
  ],
  [
    'all attempts of a step bear one key of its own',
    'a retry bears another key',
    (found) => (found.requests[1]!.idempotencyKey = 'fresh'),
  ],
  [
    'attempts count from 1 without a gap, and none is left open',
    'an attempt is left running',
    (found) => (found.step.attempts[0]!.outcome = 'running'),
  ],
  [
    'attempts count from 1 without a gap, and none is left open',
    'an attempt number is skipped',
    (found) => (found.step.attempts[1]!.number = 3),
  ],
  [
    'histories are whole, ordered, and end once',
    'a step goes on after the end',
    (found) => found.histories.set('r1', [...found.histories.get('r1')!, event(9, 'StepEntered')]),
  ],
  [
    'histories are whole, ordered, and end once',
    'a revision is missing',
    (found) => found.histories.set('r1', found.histories.get('r1')!.toSpliced(3, 1)),
  ],
  ['views equal the fold', 'a row was never written', (found) => found.listed.delete('r1')],
  ['views equal the fold', 'a row was written twice', (found) => found.listed.set('r1', [found.run, found.run])],
  [
    'views equal the fold',
    'a row is behind',
    (found) => found.listed.set('r1', [{ ...found.run, status: 'running', finishedAt: null }]),
  ],
  [
    'views equal the fold',
    'a row differs in a member',
    (found) => found.listed.set('r1', [{ ...found.run, version: 2 }]),
  ],
];

describe('the judge of the crash test', () => {
  it('finds nothing against a history as it should be', () => {
    expect(failing(evidence())).toEqual([]);
  });

  it.each(BREACHES)('condemns by "%s" when %s', (promise, _, commit) => {
    const found = evidence();
    commit(found);
    expect(failing(found)).toContain(promise);
  });

  it('does not let a promise pass that was held against nothing', () => {
    const found = evidence();
    expect(
      failing({ ...found, wishes: [], runs: new Map(), listed: new Map(), requests: [], histories: new Map() }),
    ).toHaveLength(judge(found).length);
  });

  it('has a breach for every promise', () => {
    expect(new Set(BREACHES.map(([promise]) => promise))).toEqual(new Set(judge(evidence()).map(({ title }) => title)));
  });
});
