import { describe, expect, it } from '@jest/globals';
import { DEFAULT_RUN_LIMITS } from './commands.js';
import type { StepKey } from './events.js';
import { evolve } from './evolve.js';
import { ANY } from './precondition.js';
import type { StepState } from './run-state.js';
import { from, onPlan } from './testing/given-when-then.js';
import {
  ADVANCE,
  after,
  attemptStarted,
  attemptSucceeded,
  cancelled,
  cancelRun,
  completed,
  entering,
  failAttempt,
  HTTP_503,
  outputOf,
  RUN_INPUT,
  runCompleted,
  runFailed,
  started,
  T0,
} from './testing/run-facts.js';
import { named, parallel, planOf, sequence, step } from './testing/tree-plans.js';

const plan = planOf(sequence(step('charge', { retry: { jitter: 'none' } }), step('ship')));
const entered = entering(plan);
const { given } = onPlan(plan);
const charging = [started(), entered('charge'), attemptStarted('charge', 1)] as const;

describe('CancelRun', () => {
  it('ends the run and every open step with the reason, attempts in flight included', () => {
    given(...charging)
      .when(cancelRun('asked for'))
      .thenEvents(cancelled(null, 'asked for', ['charge', 1]), { type: 'RunCancelled', reason: 'asked for' });
  });

  it('needs no reason', () => {
    given(started(), entered('charge'))
      .when(cancelRun())
      .thenEvents(cancelled(null, 'the run was cancelled'), { type: 'RunCancelled', reason: null });
  });

  it('ends a run that has entered nothing yet', () => {
    given(started()).when(cancelRun()).thenEvents({ type: 'RunCancelled', reason: null });
  });

  it('leaves steps alone that have ended', () => {
    given(...charging, attemptSucceeded('charge', 1), completed('charge', outputOf(3)), entered('ship', outputOf(3)))
      .when(cancelRun('late'))
      .thenEvents(cancelled(null, 'late'), { type: 'RunCancelled', reason: 'late' });
  });

  it('is for the run as the caller has seen it, and rejected by one that has moved on', () => {
    for (const ifMatch of [[4, 0], '*', null] as const)
      given(started())
        .when(cancelRun(null, { ...ANY, ifMatch }))
        .thenEvents({ type: 'RunCancelled', reason: null });
    given(started())
      .when(cancelRun(null, { ...ANY, ifMatch: [1] }))
      .thenRejected({ code: 'not-as-seen', revision: 0 });
    given(started(), { type: 'RunCancelled', reason: null })
      .when(cancelRun(null, { ...ANY, ifMatch: [0] }))
      .thenRejected({ code: 'not-as-seen', revision: 1 });
    for (const ifNoneMatch of [[4, 0], '*'] as const)
      given(started())
        .when(cancelRun(null, { ...ANY, ifNoneMatch }))
        .thenRejected({ code: 'not-as-seen', revision: 0 });
    given(started())
      .when(cancelRun(null, { ...ANY, ifNoneMatch: [4] }))
      .thenEvents({ type: 'RunCancelled', reason: null });
    // It could not be cancelled whatever was seen.
    given(started(), runCompleted(RUN_INPUT))
      .when(cancelRun(null, { ...ANY, ifMatch: [0] }))
      .thenRejected({ code: 'run-ended', status: 'completed' });
  });

  it('does nothing the second time, and is rejected by a run that ended otherwise', () => {
    given(started(), { type: 'RunCancelled', reason: null }).when(cancelRun('again')).thenNothing();
    given(started(), runCompleted(RUN_INPUT))
      .when(cancelRun())
      .thenRejected({ code: 'run-ended', status: 'completed' });
    given(started(), runFailed('charge', HTTP_503))
      .when(cancelRun())
      .thenRejected({ code: 'run-ended', status: 'failed' });
    given(started(), { type: 'RunTimedOut', error: HTTP_503 })
      .when(cancelRun())
      .thenRejected({ code: 'run-ended', status: 'timed-out' });
  });
});

class CountedSteps extends Map<StepKey, StepState> {
  asked = 0;

  override get(key: StepKey): StepState | undefined {
    this.asked += 1;
    return super.get(key);
  }

  override values(): never {
    throw new Error('all steps are walked');
  }
}

describe('a cancel of ten thousand steps', () => {
  const WIDE = 10_000;
  const long = (index: number): string => `${'n'.repeat(50)}${index}`;
  const wide = planOf(
    named(long(1), named(long(2), parallel({ name: 'all' }, ...Array.from({ length: WIDE }, (_, i) => step(long(i)))))),
  );
  const container = `${long(1)}.${long(2)}.all`;
  const open = onPlan(wide).given(started()).whenSettled(ADVANCE).run!;
  const keys = [...open.steps.keys()].slice(3);
  for (const key of keys) evolve(open, attemptStarted(key, 1), after(0));

  it('fits one append, though not all attempts in flight do, and those may have executed', () => {
    expect(open.obligations.inFlight.size).toBe(WIDE);
    const context = { plan: wide, atMs: T0, limits: DEFAULT_RUN_LIMITS, isUnsent: () => true };
    const { events } = from(open, context).when(failAttempt(keys[0]!, 1, { retryable: false }));
    const run = events.reduce((state, event) => evolve(state, event, after(1))!, structuredClone(open));
    const before = structuredClone(run);
    const { run: ended, events: more } = from(run, context).whenSettled(ADVANCE);
    const [stop] = more;
    expect(more.map(({ type }) => type)).toEqual(['StepCancelled', ...Array(3).fill('StepFailed'), 'RunFailed']);
    expect(stop).toMatchObject({ below: container });
    expect(JSON.stringify(more).length).toBeLessThan(600 * 1_024);
    const listed = stop?.type === 'StepCancelled' ? stop.attempts.length : 0;
    expect(listed).toBeGreaterThan(2_000);
    const stopped = evolve(before, stop!, after(1))!;
    const classes = keys.map((key) => stopped.steps.get(key)?.attempts[0]?.outcome);
    expect(classes.slice(1, listed + 1)).toEqual(Array(listed).fill('not-executed'));
    expect(classes.slice(listed + 1)).toEqual(Array(WIDE - listed - 1).fill('may-have-executed'));
    expect(ended!.steps.size).toBe(1);
  });

  it('looks at what is open only, not at all that was ever entered', () => {
    const few = structuredClone(open);
    for (const [index, key] of keys.entries()) {
      if (index < 3) continue;
      evolve(few, attemptSucceeded(key, 1), after(0));
      evolve(few, completed(key, outputOf(few.revision), true), after(0));
    }
    const steps = new CountedSteps(few.steps);
    few.steps = steps;
    const { events } = from(few, { plan: wide, atMs: T0, limits: DEFAULT_RUN_LIMITS, isUnsent: () => true }).when(
      cancelRun('enough'),
    );
    for (const event of events) evolve(few, event, after(1));
    expect(few.status).toBe('cancelled');
    expect(steps.asked).toBeLessThan(40);
  });
});
