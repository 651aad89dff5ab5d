import { describe, it } from '@jest/globals';
import { ANY } from './precondition.js';
import { onPlan } from './testing/given-when-then.js';
import {
  attemptStarted,
  attemptSucceeded,
  cancelled,
  cancelRun,
  completed,
  entering,
  HTTP_503,
  outputOf,
  RUN_INPUT,
  runCompleted,
  runFailed,
  started,
} from './testing/run-facts.js';
import { planOf, sequence, step } from './testing/tree-plans.js';

const plan = planOf(sequence(step('charge', { retry: { jitter: 'none' } }), step('ship')));
const entered = entering(plan);
const { given } = onPlan(plan);
const charging = [started(), entered('charge'), attemptStarted('charge', 1)] as const;

describe('CancelRun', () => {
  it('ends the run and every open step with the reason, attempts in flight included', () => {
    given(...charging)
      .when(cancelRun('asked for'))
      .thenEvents(cancelled('asked for', ['charge', 1]), { type: 'RunCancelled', reason: 'asked for' });
  });

  it('needs no reason', () => {
    given(started(), entered('charge'))
      .when(cancelRun())
      .thenEvents(cancelled('the run was cancelled', ['charge']), { type: 'RunCancelled', reason: null });
  });

  it('ends a run that has entered nothing yet', () => {
    given(started()).when(cancelRun()).thenEvents({ type: 'RunCancelled', reason: null });
  });

  it('leaves steps alone that have ended', () => {
    given(...charging, attemptSucceeded('charge', 1), completed('charge', outputOf(3)), entered('ship', outputOf(3)))
      .when(cancelRun('late'))
      .thenEvents(cancelled('late', ['ship']), { type: 'RunCancelled', reason: 'late' });
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
