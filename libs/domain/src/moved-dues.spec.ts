import { describe, expect, it } from '@jest/globals';
import type { RunCommand, SetBack } from './commands.js';
import { compileTree } from './definition/compile-tree.js';
import type { DuesMoved } from './events.js';
import { onPlan, pause } from './testing/given-when-then.js';
import {
  after,
  attemptFailed,
  attemptStarted,
  duesMoved,
  entering,
  GRANT,
  startAttempt,
  startRun,
  started,
  T0,
  WAKE_UP,
} from './testing/run-facts.js';
import { parallel, planOf, step } from './testing/tree-plans.js';

const HOUR_MS = 3_600_000;
const plan = planOf(step('charge', { timeouts: { stepMs: 60_000 } }));
const entered = entering(plan)('charge', undefined, { deadlineAt: after(60_000) });
const failed = [attemptStarted('charge', 1), attemptFailed('charge', 1, after(10_000))] as const;
const waiting = [started({ timeoutAt: after(2 * HOUR_MS) }), entered, ...failed] as const;
const { given } = onPlan(plan);

/** Nothing was planned since, and all by the clock that was set back, unless it says otherwise. */
const setBackBy = (ms: number, change: Partial<SetBack> = {}): RunCommand => ({
  type: 'WakeUp',
  setBack: { ms, sinceMs: -Infinity, isQuiet: true, boot: null, ...change },
});
/** The three dues of `waiting`, each earlier by so much. */
const allMoved = (ms: number) =>
  duesMoved({
    retries: [{ step: 'charge', retryAt: after(10_000 - ms) }],
    deadlines: [{ step: 'charge', deadlineAt: after(60_000 - ms) }],
    timeoutAt: after(2 * HOUR_MS - ms),
  });

describe('a due that was planned before the wall clock was set back', () => {
  it('moves with the clock, by as much as it is known to have moved', () => {
    given(...waiting, pause(4_000), pause(-HOUR_MS))
      .when(setBackBy(HOUR_MS))
      .thenEvents(allMoved(HOUR_MS));
  });

  it('moves though it lies no further ahead than its whole wait, and once for each time', () => {
    given(...waiting, pause(4_000), pause(-2_000))
      .when(setBackBy(2_000, { sinceMs: T0 + 1_900 }))
      .thenEvents(allMoved(2_000));
    given(...waiting, pause(2_000), allMoved(2_000), pause(500))
      .when(setBackBy(2_000, { sinceMs: T0 + 1_900 }))
      .thenNothing();
    given(...waiting, pause(2_000), allMoved(2_000), pause(3_000), pause(-1_500))
      .when(setBackBy(1_500, { sinceMs: T0 + 3_400 }))
      .thenEvents(allMoved(3_500));
  });

  it('is due at once when it would have been by now, and stays when it is due anyway', () => {
    given(...waiting, pause(9_500))
      .when(setBackBy(2_000, { sinceMs: T0 + 9_400 }))
      .thenEvents(
        duesMoved({
          retries: [{ step: 'charge', retryAt: after(9_500) }],
          deadlines: [{ step: 'charge', deadlineAt: after(58_000) }],
          timeoutAt: after(2 * HOUR_MS - 2_000),
        }),
      );
    const { retries } = given(...waiting, pause(10_000)).when(setBackBy(2_000, { sinceMs: T0 + 9_900 }))
      .events[0] as DuesMoved;
    expect(retries).toEqual([]);
  });

  it('stays when it was planned since', () => {
    const since = { sinceMs: T0 - 100, isQuiet: false };
    given(...waiting, pause(1_000))
      .when(setBackBy(2_000, since))
      .thenNothing();
    given(...waiting, pause(1_000))
      .when(setBackBy(2_000, { ...since, sinceMs: T0 + 1 }))
      .thenEvents(allMoved(2_000));
  });

  it('moves with the others of its run, however many there are', () => {
    const halves = ['x', 'y'].map((half) =>
      parallel(
        { name: half },
        ...Array.from({ length: 600 }, (_, index) => step(`${half}${index}`, { timeouts: { stepMs: 60_000 } })),
      ),
    );
    const wide = onPlan(planOf(parallel({ name: 'all' }, ...halves)));
    const { events } = wide.given().whenSettled(startRun());
    const first = wide.given(...events, pause(1_000)).when(setBackBy(2_000, { sinceMs: T0 + 500 }));
    const second = wide.given(...events, pause(1_000), ...first.events).when(setBackBy(2_000, { sinceMs: T0 + 500 }));
    const moved = [first, second].map((outcome) =>
      (outcome.events[0] as DuesMoved).deadlines.map(({ step: key }) => key),
    );
    expect(moved.map(({ length }) => length)).toEqual([1_000, 200]);
    expect(new Set(moved.flat()).size).toBe(1_200);
    wide
      .given(...events, pause(1_000), ...first.events, ...second.events)
      .when(setBackBy(2_000, { sinceMs: T0 + 500 }))
      .thenNothing();
  });

  it('waits its whole wait from now when nobody knows by how much, and is not moved again', () => {
    const moved = allMoved(HOUR_MS);
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
      .when(setBackBy(HOUR_MS, { boot: 'another' }))
      .thenNothing();
    given(...waiting, pause(1_000))
      .when(setBackBy(2_000, { boot: GRANT.boot }))
      .thenEvents(duesMoved({ retries: [{ step: 'charge', retryAt: after(8_000) }] }));
    given(...waiting, pause(-999))
      .when(WAKE_UP)
      .thenNothing();
  });
});

describe('a wait', () => {
  const waitingFor = (wait: object) => compileTree({ root: { type: 'wait', name: 'pause', ...wait } }).plan!;
  const begun = (wait: object) => {
    const { events } = onPlan(waitingFor(wait)).given().whenSettled(startRun());
    return (...then: readonly ReturnType<typeof pause>[]) => onPlan(waitingFor(wait)).given(...events, ...then);
  };

  it('for so long moves with the clock; one until an instant by name stays', () => {
    const back = setBackBy(10_000, { sinceMs: T0 + 500 });
    begun({ seconds: 60 })(pause(1_000), pause(-10_000))
      .when(back)
      .thenEvents(duesMoved({ waits: [{ step: 'pause', wakeAt: after(50_000) }] }));
    begun({ until: after(60_000) })(pause(1_000), pause(-10_000))
      .when(back)
      .thenNothing();
  });

  it('that was moved ends then, and no earlier', () => {
    const back = setBackBy(10_000, { sinceMs: T0 + 500 });
    const moved = begun({ seconds: 60 })(pause(1_000), pause(-10_000)).when(back);
    const { events } = onPlan(waitingFor({ seconds: 60 }))
      .given()
      .whenSettled(startRun());
    const later = (ms: number) => onPlan(waitingFor({ seconds: 60 })).given(...events, ...moved.events, pause(ms));
    later(49_999).when(WAKE_UP).thenNothing();
    later(50_000).when(WAKE_UP).thenEvents({ type: 'WaitEnded', step: 'pause' });
  });
});
