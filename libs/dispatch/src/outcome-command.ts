import type { RunCommand, StepKey } from '#domain';
import type { Entropy } from '#runtime';
import type { Verdict } from './classify.js';

/** What a run is told of an attempt that is over. */
export type OutcomeCommand = RunCommand & { readonly type: 'CompleteAttempt' | 'FailAttempt' | 'InterruptAttempt' };

/** What an answer, or the lack of one, means to the run. */
export const commandOf = (step: StepKey, attempt: number, verdict: Verdict, entropy: Entropy): OutcomeCommand =>
  verdict.succeeded
    ? ({ type: 'CompleteAttempt', step, attempt, status: verdict.status, output: verdict.output } as const)
    : ({
        type: 'FailAttempt',
        step,
        attempt,
        class: verdict.class,
        retryable: verdict.retryable,
        status: verdict.status,
        error: verdict.error,
        body: verdict.body,
        retryAfterMs: verdict.retryAfterMs,
        jitter: entropy.jitter(),
      } as const);
