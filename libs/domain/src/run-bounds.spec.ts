import { describe, expect, it } from '@jest/globals';
import type { RunEvent } from './events.js';
import { evolve } from './evolve.js';
import type { Plan } from './plan.js';
import { fold, onPlan } from './testing/given-when-then.js';
import {
  ADVANCE,
  after,
  attemptFailed,
  attemptStarted,
  attemptSucceeded,
  cancelled,
  completeAttempt,
  completed,
  entering,
  failed,
  outcomeUnknown,
  outputOf,
  RUN_INPUT,
  runCompleted,
  runFailed,
  startAttempt,
  started,
  startRun,
} from './testing/run-facts.js';
import { json, parallel, pass, planOf, sequence, step } from './testing/tree-plans.js';
import { Undo } from './undo.js';

/** `{}` and `{"order":7}`: what every run of these tests is started with. */
const START_BYTES = 2 + 11;

/** A pass that leads back to itself, as a loop does. */
const circle: Plan = (() => {
  const plan = planOf(pass('a'));
  return { ...plan, nodes: plan.nodes.map((node) => ({ ...node, next: node.id })) };
})();

describe('the limit of events', () => {
  const tooMany = (events: number) => ({
    name: 'Stepwell.TooManyEvents',
    cause: `the run has ${events} events, the limit is ${events}`,
  });

  it('is met by tokens that move without the world, however long', () => {
    const outcome = onPlan(circle, { eventsMax: 1_000 }).given().whenSettled(startRun());
    expect(outcome.events).toHaveLength(1_002);
    expect(outcome.events.at(-1)).toEqual({
      type: 'RunFailed',
      step: 'a~501',
      error: { ...tooMany(1_001), cause: 'the run has 1001 events, the limit is 1000' },
    });
  });

  it('is looked at before each entry: one below it goes on, at it the run ends', () => {
    const plan = planOf(sequence(pass('a'), pass('b')));
    const enter = entering(plan);
    const history = [started(), enter('a'), completed('a', RUN_INPUT)];
    onPlan(plan, { eventsMax: 4 })
      .given(...history)
      .when(ADVANCE)
      .thenEvents(enter('b'));
    onPlan(plan, { eventsMax: 3 })
      .given(...history)
      .whenSettled(ADVANCE)
      .thenEvents(runFailed('b', tooMany(3)));
    onPlan(plan, { eventsMax: 2 })
      .given(...history.slice(0, 2))
      .when(ADVANCE)
      .thenEvents(completed('a', RUN_INPUT));
  });

  it('keeps no run from its end', () => {
    const plan = planOf(pass('a'));
    onPlan(plan, { eventsMax: 2 })
      .given(started(), entering(plan)('a'))
      .whenSettled(ADVANCE)
      .thenEvents(completed('a', RUN_INPUT), runCompleted(RUN_INPUT));
  });

  it('ends in one append what is open beside the step that is not entered', () => {
    const plan = planOf(parallel({ name: 'p', onError: 'continue' }, sequence(pass('a'), step('b')), step('c')));
    const enter = entering(plan);
    const history = [
      ...[started(), enter('p'), enter('p.c'), attemptStarted('p.c', 1)],
      ...[enter('p.a'), completed('p.a', RUN_INPUT)],
    ];
    const outcome = onPlan(plan, { eventsMax: 6 })
      .given(...history)
      .when(ADVANCE);
    outcome.thenEvents(cancelled(null, tooMany(6).cause, ['p.c', 1]), runFailed('p.b', tooMany(6)));
    expect(outcome.run).toMatchObject({ status: 'failed', error: tooMany(6) });
  });
});

describe('the limit of entered steps', () => {
  const tooMany = (steps: number) => ({
    name: 'Stepwell.TooManySteps',
    cause: `the run has entered ${steps} steps, the limit is ${steps}`,
  });

  it('counts each entry of a step that is entered again', () => {
    const outcome = onPlan(circle, { stepsMax: 100 }).given().whenSettled(startRun());
    expect(outcome.events.filter(({ type }) => type === 'StepEntered')).toHaveLength(100);
    expect(outcome.events.at(-1)).toEqual(runFailed('a~101', tooMany(100)));
    expect(outcome.run?.enteredSteps).toBe(100);
  });

  it('is looked at before each entry, the first one too', () => {
    const plan = planOf(sequence(step('a'), step('b')));
    const enter = entering(plan);
    const history = [
      ...[started(), enter('a'), attemptStarted('a', 1), attemptSucceeded('a', 1)],
      completed('a', outputOf(3)),
    ];
    onPlan(plan, { stepsMax: 2 })
      .given(...history)
      .when(ADVANCE)
      .thenEvents(enter('b', outputOf(3)));
    onPlan(plan, { stepsMax: 1 })
      .given(...history)
      .when(ADVANCE)
      .thenEvents(runFailed('b', tooMany(1)));
    onPlan(plan, { stepsMax: 0 })
      .given(started())
      .when(ADVANCE)
      .thenEvents(runFailed('a', tooMany(0)));
  });

  it('stops no step that was entered', () => {
    const plan = planOf(step('a'));
    onPlan(plan, { stepsMax: 1 })
      .given(started(), entering(plan)('a'))
      .when(startAttempt('a'))
      .thenEvents(attemptStarted('a', 1));
  });
});

describe('the limit of all payloads together', () => {
  const tooLarge = (bytes: number, maxBytes: number) => ({
    name: 'Stepwell.RunTooLarge',
    cause: `the payloads of the run take ${bytes} bytes together, the limit is ${maxBytes}`,
  });
  const plan = planOf(parallel({ name: 'p', onError: 'continue' }, sequence(step('a'), step('b')), step('c')));
  const enter = entering(plan);

  it('is looked at when a run begins', () => {
    onPlan(plan, { payloadsMaxBytes: START_BYTES })
      .given()
      .whenSettled(startRun())
      .thenEvents(started(), enter('p'), enter('p.a'), enter('p.c'));
    onPlan(plan, { payloadsMaxBytes: START_BYTES - 1 })
      .given()
      .whenSettled(startRun())
      .thenEvents(started(), runFailed('p', tooLarge(START_BYTES, START_BYTES - 1)));
  });

  it('is looked at for each answer, which is not taken past it: its step fails, and all else ends with it', () => {
    const history = [
      ...[started(), enter('p'), enter('p.a'), enter('p.c')],
      ...[attemptStarted('p.c', 1), attemptStarted('p.a', 1)],
    ];
    // Of its bytes, not of its characters: two quotes, and three for the sign.
    const bytes = START_BYTES + 5;
    onPlan(plan, { payloadsMaxBytes: bytes })
      .given(...history)
      .when(completeAttempt('p.a', 1, '€'))
      .thenEvents(attemptSucceeded('p.a', 1, '€'), completed('p.a', outputOf(6)));
    const error = tooLarge(bytes, bytes - 1);
    const outcome = onPlan(plan, { payloadsMaxBytes: bytes - 1 })
      .given(...history)
      .whenSettled(completeAttempt('p.a', 1, '€'));
    outcome.thenEvents(
      attemptFailed('p.a', 1, null, { status: 200, error }),
      failed('p.a', error, true),
      cancelled(null, error.cause, ['p.c', 1]),
      runFailed('p.a', error),
    );
    expect(outcome.run).toMatchObject({ status: 'failed', error, payloadBytes: START_BYTES });
  });

  it('is looked at before each attempt', () => {
    const open = [started(), enter('p'), enter('p.a'), enter('p.c')];
    const again = [...open, attemptStarted('p.a', 1), outcomeUnknown('p.a', 1)];
    onPlan(plan, { payloadsMaxBytes: START_BYTES })
      .given(...again)
      .when(startAttempt('p.a'))
      .thenEvents(attemptStarted('p.a', 2));
    // The setting was made smaller meanwhile.
    const error = tooLarge(START_BYTES, START_BYTES - 1);
    onPlan(plan, { payloadsMaxBytes: START_BYTES - 1 })
      .given(...again)
      .when(startAttempt('p.a'))
      .thenEvents(failed('p.a', error, true), cancelled(null, error.cause), runFailed('p.a', error));
  });

  it('counts constants, which each entry stores anew', () => {
    const looping = planOf(pass('a', { input: 'in', output: 'out' }));
    const nodes = looping.nodes.map((node) => ({ ...node, next: node.id }));
    const each = json('in').length + json('out').length;
    const outcome = onPlan({ ...looping, nodes }, { payloadsMaxBytes: START_BYTES + 10 * each - 1 })
      .given()
      .whenSettled(startRun());
    expect(outcome.events.at(-1)).toEqual(
      runFailed('a~11', tooLarge(START_BYTES + 10 * each, START_BYTES + 10 * each - 1)),
    );
  });

  it('counts once what only passes through, or is gathered from what is stored', () => {
    const history: RunEvent[] = [
      ...[started(), enter('p'), enter('p.a'), enter('p.c')],
      ...[attemptStarted('p.c', 1), attemptSucceeded('p.c', 1, 'c'), completed('p.c', outputOf(5), true)],
      ...[attemptStarted('p.a', 1), attemptSucceeded('p.a', 1, 'a'), completed('p.a', outputOf(8))],
      ...[enter('p.b', outputOf(8)), attemptStarted('p.b', 1), attemptSucceeded('p.b', 1, 'b')],
      ...[completed('p.b', outputOf(12), true), completed('p', { all: [outputOf(12), outputOf(5)] })],
    ];
    expect(fold(null, history, after(0))?.payloadBytes).toBe(START_BYTES + 9);
  });

  it('is counted back when a decision is taken back', () => {
    const before = fold(null, [started(), enter('p')], after(0))!;
    const undo = new Undo();
    for (const event of [enter('p.a', { value: json('x') }), attemptSucceeded('p.a', 1, 'y')])
      evolve(before, event, after(0), undo);
    expect(before).toMatchObject({ enteredSteps: 2, payloadBytes: START_BYTES + 6 });
    undo.takeBack();
    expect(before).toMatchObject({ enteredSteps: 1, payloadBytes: START_BYTES });
  });
});
