import { describe, it } from '@jest/globals';
import { onPlan, pause } from './testing/given-when-then.js';
import {
  after,
  attemptFailed,
  attemptStarted,
  duesMoved,
  entering,
  startAttempt,
  started,
  WAKE_UP,
} from './testing/run-facts.js';
import { planOf, step } from './testing/tree-plans.js';

const HOUR_MS = 3_600_000;
const plan = planOf(step('charge', { timeouts: { stepMs: 60_000 } }));
const entered = entering(plan)('charge', undefined, { deadlineAt: after(60_000) });
const failed = [attemptStarted('charge', 1), attemptFailed('charge', 1, after(10_000))] as const;
const waiting = [started({ timeoutAt: after(2 * HOUR_MS) }), entered, ...failed] as const;
const { given } = onPlan(plan);

describe('a due that was planned before the wall clock was set back', () => {
  it('moves with the clock, by as much as it is known to have moved', () => {
    given(...waiting, pause(4_000), pause(-HOUR_MS))
      .when({ type: 'WakeUp', setBackMs: HOUR_MS })
      .thenEvents(
        duesMoved({
          retries: [{ step: 'charge', retryAt: after(10_000 - HOUR_MS) }],
          deadlines: [{ step: 'charge', deadlineAt: after(60_000 - HOUR_MS) }],
          timeoutAt: after(HOUR_MS),
        }),
      );
  });

  it('waits its whole wait from now when nobody knows by how much, and is not moved again', () => {
    const moved = duesMoved({
      retries: [{ step: 'charge', retryAt: after(10_000 - HOUR_MS) }],
      deadlines: [{ step: 'charge', deadlineAt: after(60_000 - HOUR_MS) }],
      timeoutAt: after(HOUR_MS),
    });
    given(...waiting, pause(-HOUR_MS))
      .when(WAKE_UP)
      .thenEvents(moved);
    given(...waiting, pause(-HOUR_MS), moved, pause(5_000))
      .when(WAKE_UP)
      .thenNothing();
    given(...waiting, pause(-HOUR_MS), moved, pause(10_000))
      .when(startAttempt('charge'))
      .thenEvents(attemptStarted('charge', 2));
    given(...waiting, pause(-HOUR_MS), moved, pause(9_999))
      .when(startAttempt('charge'))
      .thenRejected({ code: 'not-owed', step: 'charge' });
  });

  it('stays when another machine has planned it by a clock that was right, or the clocks differ a little', () => {
    given(...waiting, pause(1_000))
      .when({ type: 'WakeUp', setBackMs: HOUR_MS })
      .thenNothing();
    given(...waiting, pause(-999))
      .when(WAKE_UP)
      .thenNothing();
  });
});
