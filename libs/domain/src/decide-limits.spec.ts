import { describe, expect, it } from '@jest/globals';
import { onPlan, pause } from './testing/given-when-then.js';
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
  failAttempt,
  failed,
  HTTP_503,
  outcomeUnknown,
  outputOf,
  runFailed,
  startAttempt,
  started,
  WAKE_UP,
} from './testing/run-facts.js';
import { parallel, planOf, sequence, step } from './testing/tree-plans.js';

describe('stepMs', () => {
  const plan = planOf(step('charge', { timeouts: { stepMs: 10_000 }, retry: { jitter: 'none' } }));
  const entered = entering(plan);
  const { given } = onPlan(plan);
  const deadline = { deadlineAt: after(10_000) };
  const error = { name: 'Stepwell.StepTimeout', cause: `the step did not end by ${after(10_000)} (stepMs)` };
  const open = [started(), entered('charge', undefined, deadline)] as const;

  it('begins when the step is entered', () => {
    given(started())
      .when(ADVANCE)
      .thenEvents(entered('charge', undefined, deadline));
  });

  it('does nothing a millisecond early', () => {
    given(...open, pause(9_999))
      .when(WAKE_UP)
      .thenNothing();
  });

  it('fails a step that still waits for its first attempt', () => {
    given(...open, pause(10_000))
      .whenSettled(WAKE_UP)
      .thenEvents(failed('charge', error), runFailed('charge', error));
  });

  it('abandons the attempt in flight, which may have executed', () => {
    given(...open, attemptStarted('charge', 1), pause(10_000))
      .when(WAKE_UP)
      .thenEvents(attemptFailed('charge', 1, null, { status: null, error }), failed('charge', error));
  });

  it('starts no attempt from the deadline on', () => {
    given(...open, pause(9_999))
      .when(startAttempt('charge'))
      .thenEvents(attemptStarted('charge', 1));
    given(...open, pause(10_000))
      .when(startAttempt('charge'))
      .thenRejected({ code: 'not-owed', step: 'charge' });
  });

  it('fails the step at once, with its own error, when the next attempt would be due too late', () => {
    given(...open, attemptStarted('charge', 1), pause(9_499))
      .when(failAttempt('charge', 1))
      .thenEvents(attemptFailed('charge', 1, after(9_999)));
    given(...open, attemptStarted('charge', 1), pause(9_500))
      .when(failAttempt('charge', 1))
      .thenEvents(attemptFailed('charge', 1, null), failed('charge', HTTP_503));
  });

  it('takes an answer that comes before the deadline is looked at', () => {
    given(...open, attemptStarted('charge', 1), pause(10_001))
      .when(completeAttempt('charge', 1))
      .thenEvents(attemptSucceeded('charge', 1), completed('charge', outputOf(3)));
  });

  it('fails one step a wake-up, since its failure may close the next', () => {
    const two = planOf(
      parallel({ name: 'p' }, ...['a', 'b'].map((name) => step(name, { timeouts: { stepMs: 10_000 } }))),
    );
    const enter = entering(two);
    const late = onPlan(two).given(
      started(),
      enter('p'),
      enter('p.a', undefined, deadline),
      enter('p.b', undefined, deadline),
      pause(10_000),
    );
    late
      .whenSettled(WAKE_UP)
      .thenEvents(
        failed('p.a', error),
        cancelled('p', 'step p.a failed: Stepwell.StepTimeout'),
        failed('p', error),
        runFailed('p', error),
      );
  });
});

describe('the time limit of the run', () => {
  const plan = planOf(sequence(step('charge', { timeouts: { stepMs: 5_000 } }), step('ship')));
  const { given } = onPlan(plan);
  const open = [
    started({ timeoutAt: after(5_000) }),
    entering(plan)('charge', undefined, { deadlineAt: after(5_000) }),
    attemptStarted('charge', 1),
  ] as const;
  const error = { name: 'Stepwell.RunTimeout', cause: `the run did not end by ${after(5_000)}` };

  it('ends the run with all its open steps, before any deadline of a step is looked at', () => {
    given(...open, pause(5_000))
      .when(WAKE_UP)
      .thenEvents(cancelled(null, error.cause, ['charge', 1]), { type: 'RunTimedOut', error });
  });

  it('does nothing a millisecond early', () => {
    given(...open, pause(4_999))
      .when(WAKE_UP)
      .thenNothing();
  });

  it('starts no attempt from then on, of a step without a deadline either', () => {
    const entered = [started({ timeoutAt: after(5_000) }), entering(plan)('charge')] as const;
    given(...entered, pause(4_999))
      .when(startAttempt('charge'))
      .thenEvents(attemptStarted('charge', 1));
    given(...entered, pause(5_000))
      .when(startAttempt('charge'))
      .thenRejected({ code: 'not-owed', step: 'charge' });
  });

  it('ends a run that has entered nothing yet', () => {
    given(started({ timeoutAt: after(5_000) }), pause(5_000))
      .when(WAKE_UP)
      .thenEvents({ type: 'RunTimedOut', error });
  });
});

describe('totalTimeoutMs', () => {
  const plan = planOf(step('charge', { retry: { jitter: 'none', totalTimeoutMs: 2_000 } }));
  const { given } = onPlan(plan);
  const waiting = [
    started(),
    entering(plan)('charge', undefined, { retriesEndAt: after(2_000) }),
    attemptStarted('charge', 1),
    attemptFailed('charge', 1, after(500)),
  ];
  it('fails the step with its last error when a slot for its retry comes too late', () => {
    given(...waiting, pause(1_999))
      .when(startAttempt('charge'))
      .thenEvents(attemptStarted('charge', 2));
    given(...waiting, pause(2_000))
      .whenSettled(startAttempt('charge'))
      .thenEvents(failed('charge', HTTP_503), runFailed('charge', HTTP_503));
  });

  it('fails the step instead of making a lost or interrupted attempt again too late', () => {
    const error = {
      name: 'Stepwell.RetriesTimedOut',
      cause:
        'no attempt starts later than 2000 ms after the entry (totalTimeoutMs), and attempt 1 ended without an answer',
    };
    const lost = [...waiting.slice(0, 3), outcomeUnknown('charge', 1)];
    given(...lost, pause(1_999))
      .when(startAttempt('charge'))
      .thenEvents(attemptStarted('charge', 2));
    given(...lost, pause(2_000))
      .when(startAttempt('charge'))
      .thenEvents(failed('charge', error));
    given(...waiting.slice(0, 3), attemptFailed('charge', 1, null, { interrupted: true }), pause(2_000))
      .when(startAttempt('charge'))
      .thenEvents(failed('charge', error));
  });

  it('fails a step that waits for the slot of its retry on time, and nothing a millisecond early', () => {
    given(...waiting, pause(1_999))
      .when(WAKE_UP)
      .thenNothing();
    given(...waiting, pause(2_000))
      .whenSettled(WAKE_UP)
      .thenEvents(failed('charge', HTTP_503), runFailed('charge', HTTP_503));
    given(...waiting.slice(0, 2), pause(2_000))
      .when(WAKE_UP)
      .thenNothing();
  });

  it('does not keep the first attempt from starting, however long it waited for a slot', () => {
    given(...waiting.slice(0, 2), pause(2_000))
      .when(startAttempt('charge'))
      .thenEvents(attemptStarted('charge', 1));
  });
});

describe('limits of a run', () => {
  const plan = planOf(step('charge'));
  const entered = entering(plan);

  it('fails the step by name instead of an attempt past the limit of attempts', () => {
    const error = { name: 'Stepwell.TooManyAttempts', cause: 'the step was attempted 2 times, the limit' };
    const { given } = onPlan(plan, { attemptsMax: 2 });
    const first = [started(), entered('charge'), attemptStarted('charge', 1), outcomeUnknown('charge', 1)];
    given(...first)
      .when(startAttempt('charge'))
      .thenEvents(attemptStarted('charge', 2));
    given(...first, attemptStarted('charge', 2), outcomeUnknown('charge', 2))
      .whenSettled(startAttempt('charge'))
      .thenEvents(failed('charge', error), runFailed('charge', error));
  });

  it('fails the step by name instead of an attempt once the run has all the events it may have', () => {
    const error = { name: 'Stepwell.TooManyEvents', cause: 'the run has 4 events, the limit is 4' };
    const { given } = onPlan(plan, { eventsMax: 4 });
    given(started(), entered('charge')).when(startAttempt('charge')).thenEvents(attemptStarted('charge', 1));
    given(started(), entered('charge'), attemptStarted('charge', 1), outcomeUnknown('charge', 1))
      .whenSettled(startAttempt('charge'))
      .thenEvents(failed('charge', error), runFailed('charge', error));
  });

  it('counts no limit before the due instant: a rejection stays a rejection', () => {
    const { given } = onPlan(plan, { attemptsMax: 1 });
    const outcome = given(
      started(),
      entered('charge'),
      attemptStarted('charge', 1),
      attemptFailed('charge', 1, after(500)),
    ).when(startAttempt('charge'));
    outcome.thenRejected({ code: 'not-owed', step: 'charge' });
    expect(outcome.run?.steps.get('charge')?.status).toBe('waiting-retry');
  });
});
