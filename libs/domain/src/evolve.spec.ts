import { describe, expect, it } from '@jest/globals';
import type { RunEvent } from './events.js';
import { evolve } from './evolve.js';
import type { RunState } from './run-state.js';
import { toInstant } from './instant.js';
import { obligations, type Obligations } from './obligations.js';
import { isEnded, RUN_STATUSES, type Attempt } from './run.js';
import { duesOf } from './testing/dues-facts.js';
import { onPlan, pause, type Pause } from './testing/given-when-then.js';
import {
  after,
  attemptFailed,
  attemptStarted,
  attemptSucceeded,
  cancelled,
  completed,
  entering,
  failed,
  GRANT,
  HTTP_503,
  outcomeUnknown,
  outputOf,
  RUN_INPUT,
  runCompleted,
  runFailed,
  started,
  T0,
} from './testing/run-facts.js';
import { json, named, parallel, pass, planOf, sequence, step } from './testing/tree-plans.js';
import { Undo } from './undo.js';

const plan = planOf(
  sequence(step('a', { timeouts: { stepMs: 9_000 } }), parallel({ name: 'p' }, step('x'), pass('y'))),
);
const entered = entering(plan);
const NONE = {
  moves: new Set(),
  ready: new Map(),
  inFlight: new Map(),
  dues: [] as readonly string[],
};

/** Its steps go to paths of their names. */
const readyFor = (name: string, key = name) => new Map([[`http://app.test/${name}`, new Set([key])]]);

/** What a run owes, in plain containers: those of the fold note their changes. */
const owedOf = ({ obligations: owed }: { readonly obligations: Obligations }) => ({
  moves: new Set(owed.moves),
  ready: new Map([...owed.ready].map(([url, keys]) => [url, new Set(keys)])),
  inFlight: new Map(owed.inFlight),
  dues: duesOf(owed.dues),
});

const folded = (...history: readonly (RunEvent | Pause)[]): RunState => {
  const { run } = onPlan(plan).given(...history);
  if (run === null) throw new Error('this history has no run');
  return run;
};
const stepOf = (run: RunState, key: string) => run.steps.get(key);
const openSlotsOf = (run: RunState, key: string) => [...(stepOf(run, key)?.slots?.open ?? [])];
const attempt = (fields: Partial<Attempt>): Attempt => ({
  number: 1,
  outcome: 'running',
  status: null,
  error: null,
  startedAt: after(0),
  endedAt: null,
  retryAt: null,
  interrupted: false,
  ...GRANT,
  ...fields,
});

describe('evolve', () => {
  it('begins a run with one token at the root', () => {
    const event = started({ timeoutAt: after(60_000) });
    const { steps, tokens, payloads, entries, uses, names, ...run } = folded(event);
    const plain = { steps: new Map(steps), tokens: new Map(tokens), payloads: new Map(payloads) };
    expect([entries.size, uses.size, names.size]).toEqual([0, 0, 0]);
    expect({ ...run, ...plain, obligations: owedOf(folded(event)) }).toStrictEqual({
      started: event,
      duesMovedAt: null,
      timeoutAt: after(60_000),
      startedAt: after(0),
      status: 'running',
      reason: null,
      error: null,
      output: null,
      outputRef: null,
      finishedAt: null,
      revision: 0,
      enteredSteps: 0,
      payloadBytes: 13,
      payloadChars: 13,
      steps: new Map(),
      tokens: new Map([['', null]]),
      payloads: new Map([
        [
          0,
          [
            { revision: 0, pointer: '/input', text: json({ order: 7 }) },
            { revision: 0, pointer: '/variables', text: json({}) },
          ],
        ],
      ]),
      archived: null,
      duplicates: { count: 0, refused: 0, notedAt: null },
      obligations: { ...NONE, moves: new Set(['']), dues: [`run  ${after(60_000)}`] },
    });
  });

  it('knows no run before its start, and counts revisions from there', () => {
    expect(evolve(null, runFailed('a', HTTP_503), after(0))).toBeNull();
    expect(folded(started(), entered('a')).revision).toBe(1);
  });

  it('owes an entered step its first attempt and its deadline', () => {
    const run = folded(started(), pause(5), entered('a', undefined, { deadlineAt: after(9_005) }));
    expect(stepOf(run, 'a')).toStrictEqual({
      key: 'a',
      policy: null,
      edge: null,
      node: 0,
      name: 'a',
      kind: 'step',
      parent: null,
      slot: null,
      status: 'scheduled',
      input: json({ order: 7 }),
      inputRef: { revision: 0, pointer: '/input', text: json({ order: 7 }) },
      output: null,
      outputRef: null,
      error: null,
      enteredAt: after(5),
      finishedAt: null,
      deadlineAt: after(9_005),
      request: { method: 'POST', url: 'http://app.test/a', headers: {}, contentType: 'application/json' },
      retriesEndAt: null,
      attempts: [],
      budgetUsed: 0,
      retryAt: null,
      computes: false,
      slots: null,
      items: null,
      wait: null,
      endedSlot: false,
    });
    expect(new Map(run.tokens)).toStrictEqual(new Map([['', 'a']]));
    expect(owedOf(run)).toStrictEqual({
      ...NONE,
      ready: readyFor('a'),
      dues: [`step a ${after(9_005)}`],
    });
  });

  it('owes a started attempt its outcome, to the boot that made it', () => {
    const run = folded(started(), entered('a'), pause(5), attemptStarted('a', 1));
    expect(stepOf(run, 'a')?.status).toBe('running');
    expect(stepOf(run, 'a')?.attempts).toStrictEqual([attempt({ startedAt: after(5) })]);
    expect(owedOf(run)).toStrictEqual({ ...NONE, inFlight: new Map([['a', GRANT.boot]]) });
  });

  it('owes a failed attempt its retry at the recorded instant, and counts it', () => {
    const open = [started(), entered('a'), attemptStarted('a', 1), pause(5), attemptFailed('a', 1, after(700))];
    const run = folded(...open);
    expect(stepOf(run, 'a')).toMatchObject({ status: 'waiting-retry', retryAt: after(700), budgetUsed: 1 });
    expect(stepOf(run, 'a')?.attempts).toStrictEqual([
      attempt({
        outcome: 'may-have-executed',
        status: 503,
        error: HTTP_503,
        endedAt: after(5),
        retryAt: after(700),
      }),
    ]);
    expect(owedOf(run)).toStrictEqual({ ...NONE, dues: [`retry a ${after(700)}`] });
    const again = folded(...open, attemptStarted('a', 2));
    expect(stepOf(again, 'a')).toMatchObject({ status: 'running', retryAt: null });
    expect(owedOf(again)).toStrictEqual({ ...NONE, inFlight: new Map([['a', GRANT.boot]]) });
  });

  it('owes a lost or interrupted attempt again at once, and counts neither', () => {
    const open = [started(), entered('a'), attemptStarted('a', 1)];
    const lost = folded(...open, outcomeUnknown('a', 1));
    expect(stepOf(lost, 'a')).toMatchObject({ status: 'scheduled', budgetUsed: 0 });
    expect(stepOf(lost, 'a')?.attempts).toStrictEqual([attempt({ outcome: 'unknown', endedAt: after(0) })]);
    expect(owedOf(lost)).toStrictEqual({ ...NONE, ready: readyFor('a') });
    const interrupted = folded(...open, attemptFailed('a', 1, null, { class: 'not-executed', interrupted: true }));
    expect(stepOf(interrupted, 'a')).toMatchObject({ status: 'scheduled', budgetUsed: 0 });
    expect(stepOf(interrupted, 'a')?.attempts[0]).toMatchObject({ outcome: 'not-executed', interrupted: true });
    expect(owedOf(interrupted)).toStrictEqual({ ...NONE, ready: readyFor('a') });
  });

  it('keeps each payload once, by the revision that stores it', () => {
    const steps = [
      started(),
      entered('a', { value: json(1) }),
      attemptStarted('a', 1),
      attemptSucceeded('a', 1, 2),
      completed('a', { value: json(3) }),
      entered('p', outputOf(4)),
    ];
    const textsAfter = (count: number) => {
      const { payloads } = folded(...steps.slice(0, count));
      return Array.from(payloads, ([revision, stored]) => [revision, ...stored.map(({ text }) => text)]).slice(1);
    };
    expect(textsAfter(4)).toEqual([
      [1, json(1)],
      [3, json(2)],
    ]);
    // Nothing refers to the answer any more, and to the input once the token has gone on.
    expect(textsAfter(5)).toEqual([
      [1, json(1)],
      [4, json(3)],
    ]);
    expect(textsAfter(6)).toEqual([[4, json(3)]]);
    const { payloadChars, uses } = folded(...steps);
    expect([payloadChars, [...uses]]).toEqual([json({ order: 7 }).length + 3, [[4, 1]]]);
    expect(stepOf(folded(...steps), 'p')).toMatchObject({ input: '3', inputRef: outputOf(4) });
  });

  it('stores nothing for what only passes through', () => {
    const run = folded(started(), entered('p'), entered('p.y'), completed('p.y', RUN_INPUT, true));
    expect([...run.payloads.keys()]).toEqual([0]);
    expect(stepOf(run, 'p')?.slots?.outputs[1]).toEqual({ ...RUN_INPUT, text: json({ order: 7 }) });
  });

  it('opens the branches of a parallel and joins when none is open', () => {
    const open = [started(), entered('p')];
    expect(owedOf(folded(...open)).moves).toStrictEqual(new Set(['p#0', 'p#1']));
    expect(stepOf(folded(...open), 'p')).toMatchObject({ status: 'running', slots: { opened: 2, left: 2 } });
    expect(openSlotsOf(folded(...open), 'p')).toEqual([0, 1]);
    const one = [...open, entered('p.x'), entered('p.y'), completed('p.y', RUN_INPUT, true)];
    expect(owedOf(folded(...one))).toStrictEqual({ ...NONE, ready: readyFor('x', 'p.x') });
    const both = folded(...one, failed('p.x', HTTP_503, true));
    expect(stepOf(both, 'p')).toMatchObject({ status: 'running', slots: { opened: 2, left: 0 } });
    expect(openSlotsOf(both, 'p')).toEqual([]);
    expect(stepOf(both, 'p')?.slots?.outputs).toEqual([null, { ...RUN_INPUT, text: json({ order: 7 }) }]);
    expect(owedOf(both)).toStrictEqual({ ...NONE, moves: new Set(['']) });
  });

  it('opens as many slots at one time as the window has, and the next one when one has ended', () => {
    const open = [started(), entered('p', RUN_INPUT, { slots: { count: 3, window: 1 } })];
    expect(owedOf(folded(...open)).moves).toStrictEqual(new Set(['p#0']));
    expect(stepOf(folded(...open), 'p')?.slots).toMatchObject({ opened: 1, left: 3, outputs: [null, null, null] });
    expect(openSlotsOf(folded(...open), 'p')).toEqual([0]);
    const first = [...open, entered('p.x'), failed('p.x', HTTP_503, true)];
    expect(owedOf(folded(...first)).moves).toStrictEqual(new Set(['p#1']));
    const second = [...first, entered('p.y'), completed('p.y', RUN_INPUT, true)];
    const run = folded(...second);
    expect(owedOf(run).moves).toStrictEqual(new Set(['p#2']));
    expect(obligations(run).moves).toStrictEqual(owedOf(run).moves);
    const last = [...second, entered('p.y', RUN_INPUT, { step: 'p.z', slot: 2 }), completed('p.z', RUN_INPUT, true)];
    expect(owedOf(folded(...last)).moves).toStrictEqual(new Set(['']));
    // What was never opened is not waited for, once the container has ended.
    expect(owedOf(folded(...second, failed('p', HTTP_503))).moves).toStrictEqual(new Set(['']));
  });

  it('takes back that a slot has ended and the next one opened', () => {
    const run = folded(started(), entered('p', RUN_INPUT, { slots: { count: 3, window: 1 } }), entered('p.x'));
    const before = structuredClone(run);
    const undo = new Undo();
    for (const event of [completed('p.x', RUN_INPUT, true), entered('p.y'), completed('p.y', RUN_INPUT, true)])
      evolve(run, event, after(0), undo);
    expect(structuredClone(run)).not.toEqual(before);
    undo.takeBack();
    expect(structuredClone(run)).toEqual(before);
  });

  it('closes what is cancelled, and its attempts in flight as abandoned', () => {
    const open = [
      ...[started(), entered('p'), entered('p.x', undefined, { deadlineAt: after(9_000) }), attemptStarted('p.x', 1)],
      ...[entered('p.y'), pause(5)],
    ];
    const below = folded(...open, cancelled('p', 'stop', ['p.x', 1]));
    for (const key of ['p.x', 'p.y'])
      expect(stepOf(below, key)).toMatchObject({ status: 'cancelled', finishedAt: after(5) });
    expect(stepOf(below, 'p.x')?.attempts).toStrictEqual([
      attempt({
        outcome: 'may-have-executed',
        error: { name: 'Stepwell.Abandoned', cause: 'stop' },
        endedAt: after(5),
      }),
    ]);
    const all = folded(...open, cancelled(null, 'stop', ['p.x', 1]));
    expect([stepOf(all, 'p')?.status, all.steps.size, all.tokens.size]).toEqual(['cancelled', 1, 1]);
    for (const run of [below, all]) expect(owedOf(run)).toStrictEqual(NONE);
  });

  it('counts duplicate starts, also after the end', () => {
    const run = folded(
      started(),
      { type: 'DuplicateStartsSeen', count: 2, refused: 1 },
      { type: 'RunCancelled', reason: null },
      pause(60_000),
      { type: 'DuplicateStartsSeen', count: 40, refused: 3 },
    );
    expect(run.duplicates).toEqual({ count: 42, refused: 4, notedAt: after(60_000) });
    expect(run.status).toBe('cancelled');
  });

  it('owes nothing once the run has ended, and says how it ended', () => {
    const open = [
      started({ timeoutAt: after(9_000) }),
      entered('a', undefined, { deadlineAt: after(9_000) }),
      pause(5),
    ];
    const ended = (event: RunEvent) => {
      const run = folded(...open, event);
      expect(owedOf(run)).toStrictEqual(NONE);
      expect(owedOf({ obligations: obligations(run) })).toStrictEqual(NONE);
      const { status, reason, error, output, finishedAt } = run;
      return { status, reason, error, output, finishedAt };
    };
    const end = { reason: null, error: null, output: null, finishedAt: after(5) };
    expect(ended(runCompleted(RUN_INPUT))).toEqual({ ...end, status: 'completed', output: json({ order: 7 }) });
    expect(ended({ type: 'RunCancelled', reason: 'asked for' })).toEqual({
      ...end,
      status: 'cancelled',
      reason: 'asked for',
    });
    expect(ended(runFailed('a', HTTP_503))).toEqual({
      ...end,
      status: 'failed',
      reason: 'overloaded',
      error: HTTP_503,
    });
    const nameless = { name: 'HTTP.500', cause: null };
    expect(ended(runFailed('a', nameless))).toEqual({ ...end, status: 'failed', reason: 'HTTP.500', error: nameless });
    const late = { name: 'Stepwell.RunTimeout', cause: 'too late' };
    expect(ended({ type: 'RunTimedOut', error: late })).toEqual({
      ...end,
      status: 'timed-out',
      reason: 'too late',
      error: late,
    });
  });

  it('updates the run that it owns in place', () => {
    const run = folded(started());
    expect(evolve(run, entered('a'), toInstant(T0))).toBe(run);
  });

  it('is total: events about steps that it does not know change nothing but the revision', () => {
    const run = folded(started(), entered('a'));
    const strangers: RunEvent[] = [
      attemptStarted('z', 1),
      attemptSucceeded('z', 1),
      attemptFailed('z', 1, after(5)),
      attemptFailed('z', 1, null, { interrupted: true }),
      outcomeUnknown('z', 1),
      completed('z', RUN_INPUT),
      failed('z', HTTP_503, true),
      cancelled('z', 'stop', ['z.y', 1]),
      started({ id: 'another' }),
    ];
    for (const event of strangers) evolve(run, event, after(0));
    expect([...run.steps.keys()]).toEqual(['a']);
    expect(run.status).toBe('running');
    expect(run.started.id).toBe('run-1');
    expect(owedOf(run)).toStrictEqual({ ...NONE, ready: readyFor('a') });
  });
});

describe('obligations', () => {
  it('of a container that is left are none of its scopes', () => {
    const nested = planOf(sequence(named('g', pass('a')), step('b')));
    const enter = entering(nested);
    const { run } = onPlan(nested).given(
      started(),
      enter('g'),
      enter('g.a'),
      completed('g.a', RUN_INPUT, true),
      completed('g', RUN_INPUT),
    );
    expect(owedOf(run!)).toStrictEqual({ ...NONE, moves: new Set(['']) });
    expect(owedOf({ obligations: obligations(run!) })).toStrictEqual(owedOf(run!));
  });
});

describe('isEnded', () => {
  it('is said of the statuses in which a run ends, and of no other, whichever comes to be', () => {
    const ended = [...RUN_STATUSES, 'paused', 'suspended'].filter((status) => isEnded({ status }));
    expect(ended).toEqual(['completed', 'failed', 'cancelled', 'timed-out']);
  });
});
