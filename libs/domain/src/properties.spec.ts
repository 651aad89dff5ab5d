import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { isDeepStrictEqual } from 'node:util';
import type { RunEvent } from './events.js';
import { evolve } from './evolve.js';
import type { RunState } from './run-state.js';
import type { Plan } from './plan.js';
import { stepKeys } from './step-path.js';
import { duesOf, faultOf } from './testing/dues-facts.js';
import { plans } from './testing/plan-arbitrary.js';
import { Undo } from './undo.js';
import { outcomesOf } from './testing/plan-outcome.js';
import { ALL_WELL, happeningsArbitrary, SimulatedWorld } from './testing/simulated-world.js';

const HISTORIES = 2_000;

type Recorded = SimulatedWorld['history'];
const foldAll = (run: RunState | null, history: Recorded): RunState | null =>
  history.reduce<RunState | null>((state, { event, at }) => evolve(state, event, at), run);

const fromStepArbitrary = fc.oneof(
  { weight: 4, arbitrary: fc.constant(null) },
  { weight: 1, arbitrary: fc.nat(1_000) },
);
const timeoutArbitrary = fc.oneof({ weight: 9, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: fc.nat(4_000) });
/** The compiler leaves out what follows `succeed`; a choice will not be able to. So some nodes become one after it. */
const withSucceeds = (plan: Plan, picks: readonly number[]): Plan => ({
  ...plan,
  nodes: plan.nodes.map((node) => {
    if ((node.type !== 'step' && node.type !== 'pass') || !picks.includes(node.id)) return node;
    const { id, name, scope, next, input, output, as } = node;
    return { id, name, scope, next, input, output, as, type: 'succeed' };
  }),
});
/** Small plans are soon through: most histories are to have something going on side by side. */
const plansArbitrary = fc
  .tuple(
    fc.oneof(
      plans,
      plans.filter(({ nodes }) => nodes.length >= 8),
    ),
    fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, { weight: 1, arbitrary: fc.array(fc.nat(12)) }),
  )
  .map(([plan, picks]) => withSucceeds(plan, picks));
/** Mostly out of reach, sometimes tight, each by itself or with others: the limit of events ends a run before it meets the rest. */
const limitsArbitrary = fc.oneof(
  { weight: 5, arbitrary: fc.constant({}) },
  // Alone, what gathers outputs meets it before another limit ends the run.
  { weight: 1, arbitrary: fc.record({ payloadMaxBytes: fc.integer({ min: 2, max: 30 }) }) },
  {
    weight: 2,
    arbitrary: fc.record(
      {
        // Few payloads are long: by the wide range alone, some runs of these tests met the limit less than ten times.
        payloadMaxBytes: fc.oneof(fc.integer({ min: 2, max: 16 }), fc.integer({ min: 2, max: 100 })),
        attemptsMax: fc.integer({ min: 1, max: 4 }),
        eventsMax: fc.integer({ min: 2, max: 60 }),
        stepsMax: fc.integer({ min: 0, max: 12 }),
        payloadsMaxBytes: fc.integer({ min: 8, max: 200 }),
      },
      { requiredKeys: [] },
    ),
  },
);
const keyOf = (plan: Plan, pick: number | null) =>
  pick === null ? null : (stepKeys(plan)[pick % plan.nodes.length] ?? null);

/** What the generated histories have held, so that a generator that went dull turns the run red. */
class Census {
  private readonly counts = new Map<string, number>();

  add(...names: readonly string[]): void {
    for (const name of names) this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
  }

  /** What was seen less often than expected, and how often. */
  scarce(expected: Readonly<Record<string, number>>): readonly string[] {
    return Object.entries(expected)
      .filter(([name, count]) => (this.counts.get(name) ?? 0) < count)
      .map(([name, count]) => `${name}: ${this.counts.get(name) ?? 0} of ${count}`);
  }
}

describe('any accepted history', () => {
  it('is well-formed, owes what its fold says, comes to an end, and folds in parts as at once', () => {
    const census = new Census();
    const story = fc.tuple(
      plansArbitrary,
      fc.record({ fromStep: fromStepArbitrary, timeoutMs: timeoutArbitrary, limits: limitsArbitrary }),
      happeningsArbitrary(),
      fc.double({ min: 0, max: 1, noNaN: true }),
    );
    const holds = fc.property(story, ([plan, { fromStep, timeoutMs, limits }, happenings, cut]) => {
      const world = new SimulatedWorld(plan, ALL_WELL, limits);
      world.start({ fromStep: keyOf(plan, fromStep), timeoutMs });
      for (const happening of happenings) world.happen(happening);
      census.add(world.run?.status === 'running' ? 'ended by the fair world' : 'ended before it');
      world.finish();
      // After the end everything happens again: the world itself checks that nothing is accepted.
      for (const happening of happenings) world.happen(happening);
      const { history, run } = world;
      expectSameFolds(history, run, cut);
      expectTakenBack(history, cut);
      census.add(...history.map(({ event }) => event.type), ...world.rejections);
      census.add(...history.flatMap(({ event }) => variantsOf(event)));
    });
    fc.assert(holds, { numRuns: HISTORIES });
    expect(census.scarce(OFTEN_ENOUGH)).toEqual([]);
  }, 180_000);
});

/** Some third of what a run of the generators brings. */
const OFTEN_ENOUGH = {
  RunStarted: HISTORIES,
  RunCompleted: 300,
  RunFailed: 250,
  RunCancelled: 80,
  RunTimedOut: 25,
  DuplicateStartsSeen: 400,
  StepEntered: 5_000,
  StepCompleted: 3_000,
  StepFailed: 700,
  StepCancelled: 200,
  StepSkipped: 100,
  AttemptStarted: 2_500,
  AttemptSucceeded: 2_000,
  AttemptFailed: 400,
  AttemptOutcomeUnknown: 70,
  'run-ended': 400,
  'key-reused': 1_000,
  'not-owed': 3_000,
  'stale-attempt': 2_500,
  'ended by the fair world': 300,
  'ended before it': 300,
  'an attempt abandoned': 40,
  'an attempt interrupted': 100,
  'a retry waited for': 150,
  'a step out of time': 50,
  'an outcome lost for good': 25,
  'too many attempts': 10,
  'too many events': 10,
  'too many steps': 10,
  'a run too large': 10,
  'a payload too large': 10,
  'a branch counted as failed': 40,
  'outputs gathered': 150,
  'a constant handed on': 700,
};

/**
 * A run in plain containers, its dues without the order that they are kept in: that depends on what was due before. Cloned on
 * both sides of a comparison: what comes out of structuredClone has the prototypes of another realm here.
 */
const plain = (run: RunState | null): unknown => {
  if (run === null) return null;
  const { dues, ...owed } = run.obligations;
  return structuredClone({ ...run, obligations: { ...owed, dues: duesOf(dues) } });
};

/** Folds the stored text of a history, so that a fold that leaned on the plan, or on an object of a decision, differs. */
const expectSameFolds = (history: Recorded, run: RunState | null, cut: number): void => {
  const stored = JSON.parse(JSON.stringify(history)) as Recorded;
  const place = Math.floor(cut * stored.length);
  const firstPart = structuredClone(foldAll(null, stored.slice(0, place)));
  const whole = plain(run);
  expect(isDeepStrictEqual(plain(foldAll(null, stored)), whole)).toBe(true);
  expect(isDeepStrictEqual(plain(foldAll(firstPart, stored.slice(place))), whole)).toBe(true);
};

/** Folds some events of the middle, takes them back, and folds on: nothing of it is left. */
const expectTakenBack = (history: Recorded, cut: number): void => {
  const place = Math.floor(cut * history.length);
  const state = foldAll(null, history.slice(0, place));
  if (state === null) return;
  const before = plain(state);
  for (const length of [1, 3, history.length]) {
    const undo = new Undo();
    for (const { event, at } of history.slice(place, place + length)) evolve(state, event, at, undo);
    undo.takeBack();
    expect(isDeepStrictEqual(plain(state), before)).toBe(true);
    expect(faultOf(state.obligations.dues)).toBeNull();
  }
  const whole = plain(foldAll(null, history));
  expect(isDeepStrictEqual(plain(foldAll(state, history.slice(place))), whole)).toBe(true);
};

const ERROR_VARIANTS: Readonly<Record<string, string>> = {
  'Stepwell.StepTimeout': 'a step out of time',
  'Stepwell.OutcomeUnknown': 'an outcome lost for good',
  'Stepwell.TooManyAttempts': 'too many attempts',
  'Stepwell.TooManyEvents': 'too many events',
  'Stepwell.TooManySteps': 'too many steps',
  'Stepwell.RunTooLarge': 'a run too large',
  'Stepwell.PayloadTooLarge': 'a payload too large',
};

const variantsOf = (event: RunEvent): readonly string[] => {
  switch (event.type) {
    case 'StepCancelled':
      return event.attempts.length > 0 ? ['an attempt abandoned'] : [];
    case 'AttemptFailed':
      return event.interrupted ? ['an attempt interrupted'] : event.retryAt === null ? [] : ['a retry waited for'];
    case 'RunFailed':
    case 'StepFailed':
      return [
        ERROR_VARIANTS[event.error.name] ?? 'another error',
        ...('endsSlot' in event && event.endsSlot ? ['a branch counted as failed'] : []),
      ];
    case 'StepCompleted':
      return [
        ...('all' in event.output ? ['outputs gathered'] : []),
        ...(event.mapped === null ? [] : ['a constant handed on']),
      ];
    default:
      return [];
  }
};

describe('evolve', () => {
  it('is total: events in any order, doubled or left out, fold to some run, as long as what they refer to is there', () => {
    const holds = fc.property(plans, happeningsArbitrary(), fc.array(fc.nat(1_000)), (plan, happenings, picks) => {
      const world = new SimulatedWorld(plan);
      world.start();
      for (const happening of happenings) world.happen(happening);
      const { history } = world;
      const disorder = picks.flatMap((pick) => history[pick % history.length] ?? []);
      let run = foldAll(null, history.slice(0, 1));
      let folded = 0;
      try {
        for (; folded < disorder.length; folded++) run = foldAll(run, disorder.slice(folded, folded + 1));
      } catch (stop) {
        expect(String(stop)).toMatch(/bug: (the payload|scope) .* is missing$/);
        // At the event that refers to it.
        expect(disorder[folded]?.event.type).toMatch(/^(StepEntered|StepSkipped|StepCompleted|RunCompleted)$/);
        folded += 1;
      }
      expect(run?.revision).toBe(folded);
    });
    fc.assert(holds, { numRuns: 300 });
  });
});

/** The same plan without time limits and with lost attempts made again, so that no schedule decides how it ends. */
const calm = (plan: Plan): Plan => ({
  ...plan,
  timeoutMs: null,
  policies: plan.policies.map(({ retry, timeouts }) => ({
    retry: { ...retry, totalTimeoutMs: null, onUnknown: 'retry' },
    timeouts: { ...timeouts, stepMs: null },
  })),
});

describe('the outcome of a run whose steps are decided', () => {
  it('is that of its plan read from the top, whatever the schedule', () => {
    const census = new Census();
    fc.assert(
      fc.property(
        plansArbitrary.map(calm),
        happeningsArbitrary('cancel', 'refuse', 'break'),
        fc.func(fc.oneof({ weight: 5, arbitrary: fc.constant(true) }, { weight: 1, arbitrary: fc.constant(false) })),
        (plan, happenings, succeeds) => {
          const verdict = (step: string) => (succeeds(step) ? { output: { by: step } } : { error: `No.${step}` });
          const world = new SimulatedWorld(plan, verdict);
          world.start();
          for (const happening of happenings) world.happen(happening);
          world.finish();
          const { status, output, error } = world.run ?? {};
          const expected = outcomesOf(plan, world.run?.started.input ?? '', verdict);
          census.add(`run ${status}`);
          expect(status).toBe(expected.status);
          if (expected.status === 'completed') expect(output).toBe(expected.output);
          else expect(expected.errors).toContain(error?.name);
        },
      ),
      { numRuns: 1_000 },
    );
    expect(census.scarce({ 'run completed': 100, 'run failed': 100 })).toEqual([]);
  }, 180_000);
});
