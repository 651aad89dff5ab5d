import { describe, expect, it } from '@jest/globals';
import { decide } from './decide.js';
import { DEFAULT_RUN_LIMITS } from './commands.js';
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
  GRANT,
  HTTP_503,
  outcomeUnknown,
  outputOf,
  runFailed,
  startAttempt,
  started,
  startRun,
  T0,
  WAKE_UP,
} from './testing/run-facts.js';
import { json, named, parallel, planOf, sequence, step } from './testing/tree-plans.js';

const plan = planOf(sequence(step('charge', { retry: { jitter: 'none' } }), step('ship')));
const entered = entering(plan);
const { given } = onPlan(plan);
const charging = [started(), entered('charge'), attemptStarted('charge', 1)] as const;

describe('StartRun', () => {
  it('records the run as it was asked for, and enters nothing yet', () => {
    given().when(startRun()).thenEvents(started());
  });

  it('gives the run the shorter of its own time limit and the plan’s', () => {
    const limited = onPlan(planOf(step('charge'), 60_000));
    limited
      .given()
      .when(startRun())
      .thenEvents(started({ timeoutAt: after(60_000) }));
    limited
      .given()
      .when(startRun({ timeoutMs: 5_000 }))
      .thenEvents(started({ timeoutAt: after(5_000) }));
    limited
      .given()
      .when(startRun({ timeoutMs: 90_000 }))
      .thenEvents(started({ timeoutAt: after(60_000) }));
    given()
      .when(startRun({ timeoutMs: 90_000 }))
      .thenEvents(started({ timeoutAt: after(90_000) }));
  });

  it('changes nothing when the same request comes again, also after the end', () => {
    given(...charging)
      .when(startRun())
      .thenNothing();
    given(started(), { type: 'RunCancelled', reason: null }).when(startRun()).thenNothing();
  });

  it('rejects another payload under a key in use, naming both fingerprints', () => {
    given(...charging)
      .when(startRun({ fingerprint: 'f2' }))
      .thenRejected({ code: 'key-reused', first: 'f1', given: 'f2' });
  });

  it('rejects to begin from a step that the plan does not have', () => {
    given()
      .when(startRun({ fromStep: 'refund' }))
      .thenRejected({ code: 'unknown-step', step: 'refund' });
    given()
      .when(startRun({ fromStep: 'charge.ship' }))
      .thenRejected({ code: 'unknown-step', step: 'charge.ship' });
    given()
      .when(startRun({ fromStep: 'ship' }))
      .thenEvents(started({ fromStep: 'ship' }));
  });

  it('is the only command that needs no run', () => {
    given().when(ADVANCE).thenRejected({ code: 'run-not-found' });
    given()
      .when({ type: 'NoteDuplicateStarts', count: 1, refused: 0, last: false })
      .thenRejected({ code: 'run-not-found' });
  });
});

describe('StartAttempt', () => {
  it('records the intent under the dispatcher and boot of the grant', () => {
    given(started(), entered('charge')).when(startAttempt('charge')).thenEvents(attemptStarted('charge', 1));
  });

  it('rejects a second attempt while one is in flight', () => {
    given(...charging)
      .when(startAttempt('charge'))
      .thenRejected({ code: 'not-owed', step: 'charge' });
  });

  it('rejects a step that is not reached, and one that has ended', () => {
    given(...charging)
      .when(startAttempt('ship'))
      .thenRejected({ code: 'unknown-step', step: 'ship' });
    given(...charging, attemptSucceeded('charge', 1), completed('charge', outputOf(3)))
      .when(startAttempt('charge'))
      .thenRejected({ code: 'not-owed', step: 'charge' });
  });

  it('rejects a container, which is never sent anywhere', () => {
    const nested = planOf(named('group', step('charge')));
    onPlan(nested)
      .given(started(), entering(nested)('group'))
      .when(startAttempt('group'))
      .thenRejected({ code: 'not-owed', step: 'group' });
  });

  it('rejects a retry a millisecond before it is due, and starts it when it is due', () => {
    const waiting = [...charging, attemptFailed('charge', 1, after(500))];
    given(...waiting, pause(499))
      .when(startAttempt('charge'))
      .thenRejected({ code: 'not-owed', step: 'charge' });
    given(...waiting, pause(500))
      .when(startAttempt('charge'))
      .thenEvents(attemptStarted('charge', 2));
  });
});

describe('answers', () => {
  it('completes the step with its answer, which flows on by reference', () => {
    given(...charging)
      .when(completeAttempt('charge', 1, { paid: true }))
      .thenEvents(attemptSucceeded('charge', 1, { paid: true }), completed('charge', outputOf(3)));
  });

  it('keeps the answer and lets the constant of the place flow on', () => {
    const constant = planOf(step('charge', { output: 'ok' }));
    onPlan(constant)
      .given(started(), entering(constant)('charge'), attemptStarted('charge', 1))
      .when(completeAttempt('charge', 1, { paid: true }))
      .thenEvents(
        attemptSucceeded('charge', 1, { paid: true }),
        completed('charge', outputOf(3), false, { mapped: json('ok') }),
      );
  });

  it('rejects a late answer to attempt 1 while attempt 2 is in flight', () => {
    const second = [...charging, attemptFailed('charge', 1, after(0)), attemptStarted('charge', 2)];
    const stale = { code: 'stale-attempt', step: 'charge', attempt: 1 } as const;
    given(...second)
      .when(completeAttempt('charge', 1))
      .thenRejected(stale);
    given(...second)
      .when(failAttempt('charge', 1))
      .thenRejected(stale);
    given(...second)
      .when({ type: 'InterruptAttempt', step: 'charge', attempt: 1, class: 'not-executed' })
      .thenRejected(stale);
  });

  it('rejects an answer to an attempt that has its outcome, was lost, or never was', () => {
    const stale = { code: 'stale-attempt', step: 'charge', attempt: 1 } as const;
    given(...charging, attemptFailed('charge', 1, after(500)))
      .when(completeAttempt('charge', 1))
      .thenRejected(stale);
    given(...charging, outcomeUnknown('charge', 1))
      .when(completeAttempt('charge', 1))
      .thenRejected(stale);
    given(started(), entered('charge')).when(completeAttempt('charge', 1)).thenRejected(stale);
    given(...charging)
      .when(completeAttempt('ship', 1))
      .thenRejected({ code: 'stale-attempt', step: 'ship', attempt: 1 });
  });

  it('says that the run has ended to an answer that comes after the end', () => {
    given(...charging, cancelled(null, 'stop', ['charge', 1]), { type: 'RunCancelled', reason: 'stop' })
      .when(completeAttempt('charge', 1))
      .thenRejected({ code: 'run-ended', status: 'cancelled' });
  });
});

describe('FailAttempt', () => {
  it('records the due instant of the next attempt', () => {
    given(...charging)
      .when(failAttempt('charge', 1))
      .thenEvents(attemptFailed('charge', 1, after(500)));
  });

  it('doubles the wait with each failure and counts from the failure, not from the entry', () => {
    given(...charging, attemptFailed('charge', 1, after(500)), pause(700), attemptStarted('charge', 2), pause(300))
      .when(failAttempt('charge', 2))
      .thenEvents(attemptFailed('charge', 2, after(1_000 + 1_000)));
  });

  it('fails the step with the last error when it is not retryable', () => {
    const refused = { class: 'refused', status: 404, error: { name: 'HTTP.404', cause: 'no such card' } } as const;
    given(...charging)
      .when(failAttempt('charge', 1, { ...refused, retryable: false }))
      .thenEvents(attemptFailed('charge', 1, null, refused), failed('charge', refused.error));
  });

  it('fails the step and the run when the budget is spent', () => {
    const once = planOf(step('charge', { retry: { maxAttempts: 1 } }));
    onPlan(once)
      .given(started(), entering(once)('charge'), attemptStarted('charge', 1))
      .whenSettled(failAttempt('charge', 1))
      .thenEvents(attemptFailed('charge', 1, null), failed('charge', HTTP_503), runFailed('charge', HTTP_503));
  });
});

describe('attempts without an outcome', () => {
  it('makes an interrupted attempt again at once, and does not count it against the budget', () => {
    const once = planOf(step('charge', { retry: { maxAttempts: 2, jitter: 'none' } }));
    const history = [started(), entering(once)('charge'), attemptStarted('charge', 1)];
    const interruptedAs = (failureClass: 'not-executed' | 'may-have-executed', cause: string) =>
      attemptFailed('charge', 1, null, {
        class: failureClass,
        status: null,
        interrupted: true,
        error: { name: 'Stepwell.Interrupted', cause },
      });
    const sent = 'the dispatcher stopped before the answer came; the attempt is made again';
    onPlan(once)
      .given(...history)
      .when({ type: 'InterruptAttempt', step: 'charge', attempt: 1, class: 'may-have-executed' })
      .thenEvents(interruptedAs('may-have-executed', sent));
    const unsent = 'the dispatcher gave the attempt back before anything of it was sent; it is made again';
    const interrupted = interruptedAs('not-executed', unsent);
    onPlan(once)
      .given(...history)
      .when({ type: 'InterruptAttempt', step: 'charge', attempt: 1, class: 'not-executed' })
      .thenEvents(interrupted);
    onPlan(once)
      .given(...history, interrupted, attemptStarted('charge', 2))
      .when(failAttempt('charge', 2))
      .thenEvents(attemptFailed('charge', 2, after(500)));
  });

  it('loses the attempts of every other boot, makes them again, and does not count them', () => {
    const again = { dispatcher: 'd-1', boot: 'boot-2' };
    given(...charging)
      .when({ type: 'LoseAttempts', boot: 'boot-2' })
      .thenEvents(outcomeUnknown('charge', 1));
    given(...charging, outcomeUnknown('charge', 1))
      .when(startAttempt('charge', again))
      .thenEvents(attemptStarted('charge', 2, again));
    given(...charging, outcomeUnknown('charge', 1), attemptStarted('charge', 2, again))
      .when(failAttempt('charge', 2))
      .thenEvents(attemptFailed('charge', 2, after(500)));
  });

  it('loses nothing of its own boot, and nothing twice', () => {
    given(...charging)
      .when({ type: 'LoseAttempts', boot: GRANT.boot })
      .thenNothing();
    given(...charging, outcomeUnknown('charge', 1))
      .when({ type: 'LoseAttempts', boot: 'boot-2' })
      .thenNothing();
  });

  it('fails the step instead when it says onUnknown: fail', () => {
    const careful = planOf(step('charge', { retry: { onUnknown: 'fail' } }));
    const error = {
      name: 'Stepwell.OutcomeUnknown',
      cause:
        'the dispatcher that made attempt 1 ended before it recorded an outcome, and the step says onUnknown: fail',
    };
    onPlan(careful)
      .given(started(), entering(careful)('charge'), attemptStarted('charge', 1))
      .whenSettled({ type: 'LoseAttempts', boot: 'boot-2' })
      .thenEvents(outcomeUnknown('charge', 1), failed('charge', error), runFailed('charge', error));
  });

  it('loses a thousand attempts in bites that fit an append, until none is left', () => {
    const wide = planOf(parallel({ name: 'p' }, ...Array.from({ length: 1_000 }, (_, index) => step(`s${index}`))));
    const keys = Array.from({ length: 1_000 }, (_, index) => `p.s${index}`);
    const history = [
      started(),
      entering(wide)('p'),
      ...keys.map((key) => entering(wide)(key)),
      ...keys.map((key) => attemptStarted(key, 1)),
    ];
    let { run } = onPlan(wide).given(...history);
    const sizes: number[] = [];
    while (run !== null && run.obligations.inFlight.size > 0) {
      const lost = onPlan(wide)
        .given(...history)
        .when({ type: 'LoseAttempts', boot: 'boot-2' });
      history.push(...lost.events);
      sizes.push(lost.events.length);
      run = lost.run;
    }
    expect(sizes).toEqual(Array.from({ length: 10 }, () => 100));
    expect(run?.obligations.ready.size).toBe(1_000);
  });
});

describe('after the end', () => {
  const ended = given(...charging, cancelled(null, 'stop', ['charge', 1]), { type: 'RunCancelled', reason: 'stop' });

  it('owes and does nothing more', () => {
    ended.when(ADVANCE).thenNothing();
    ended.when(WAKE_UP).thenNothing();
    ended.when({ type: 'LoseAttempts', boot: 'boot-2' }).thenNothing();
  });

  it('rejects attempts', () => {
    ended.when(startAttempt('charge')).thenRejected({ code: 'run-ended', status: 'cancelled' });
    ended.when(failAttempt('charge', 1)).thenRejected({ code: 'run-ended', status: 'cancelled' });
    ended
      .when({ type: 'InterruptAttempt', step: 'charge', attempt: 1, class: 'not-executed' })
      .thenRejected({ code: 'run-ended', status: 'cancelled' });
  });
});

describe('NoteDuplicateStarts', () => {
  const seen = (count: number, refused = 0) => ({ type: 'DuplicateStartsSeen', count, refused }) as const;
  const note = (count: number, refused = 0, last = false) =>
    ({ type: 'NoteDuplicateStarts', count, refused, last }) as const;

  it('notes the first at once, and the next a minute later at the earliest', () => {
    given(started()).when(note(1)).thenEvents(seen(1));
    given(started(), seen(1), pause(59_999)).when(note(40)).thenNothing();
    given(started(), seen(1), pause(60_000)).when(note(41)).thenEvents(seen(41));
  });

  it('notes refused ones as well', () => {
    given(started()).when(note(0, 1)).thenEvents(seen(0, 1));
    given(started(), seen(0, 1), pause(60_000)).when(note(2, 3)).thenEvents(seen(2, 3));
  });

  it('notes the last at once', () => {
    given(started(), seen(1), pause(1))
      .when(note(2, 1, true))
      .thenEvents(seen(2, 1));
  });

  it('holds to the minute after the end too', () => {
    const end = { type: 'RunCancelled', reason: null } as const;
    given(started(), end).when(note(2)).thenEvents(seen(2));
    given(started(), end, seen(2), pause(59_999)).when(note(3)).thenNothing();
    given(started(), end, seen(2), pause(60_000)).when(note(3)).thenEvents(seen(3));
  });

  it('notes nothing when there is nothing to note', () => {
    given(started()).when(note(0)).thenNothing();
    given(started())
      .when(note(0, 0, true))
      .thenNothing();
  });
});

describe('a step without a node of its own', () => {
  const made = planOf(
    sequence(step('charge', { retry: { maxAttempts: 1 } }), step('ship', { retry: { jitter: 'none' } })),
  );
  const history = (policy: number | null) => [
    ...[started(), entering(made)('charge', undefined, { policy }), attemptStarted('charge', 1)],
  ];

  it('is tried by the policy that its entry names', () => {
    const { given: givenMade } = onPlan(made);
    givenMade(...history(1))
      .when(failAttempt('charge', 1))
      .thenEvents(attemptFailed('charge', 1, after(500)));
    givenMade(...history(null))
      .when(failAttempt('charge', 1))
      .thenEvents(attemptFailed('charge', 1, null), failed('charge', HTTP_503));
  });

  it('is a bug when the plan has no such policy', () => {
    expect(() =>
      onPlan(made)
        .given(...history(2))
        .when(failAttempt('charge', 1)),
    ).toThrow('policy 2 of the plan');
  });
});

describe('a plan and a history that do not belong together', () => {
  it('is a bug, not a guess', () => {
    const run = given(...charging).run;
    const limits = DEFAULT_RUN_LIMITS;
    const context = { plan: { ...plan, nodes: [] }, atMs: T0, limits, isUnsent: () => false };
    expect(() => decide(failAttempt('charge', 1), run, context)).toThrow('bug: step node 0 of the plan is missing');
  });
});
