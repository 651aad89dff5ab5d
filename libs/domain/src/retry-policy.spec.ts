import { describe, expect, it } from '@jest/globals';
import { DEFAULT_RETRY, nextAttemptAtMs, type Failure, type RetryPolicy } from './retry-policy.js';

const AT = 1_000_000;
const failure = (fields: Partial<Failure> = {}): Failure => ({
  atMs: AT,
  name: 'HTTP.503',
  retryable: true,
  retryAfterMs: null,
  jitter: 0,
  ...fields,
});

/** The wait after so many failures, or `null`. */
const waitMs = (policy: Partial<RetryPolicy>, failures = 1, fields: Partial<Failure> = {}, deadlineMs?: number) => {
  const progress = { budgetUsed: failures, enteredAtMs: AT - 1_000, deadlineMs: deadlineMs ?? null };
  const dueMs = nextAttemptAtMs({ ...DEFAULT_RETRY, jitter: 'none', ...policy }, failure(fields), progress);
  return dueMs === null ? null : dueMs - AT;
};
const waits = (policy: Partial<RetryPolicy>, count: number) =>
  Array.from({ length: count }, (_, index) => waitMs(policy, index + 1));

describe('nextAttemptAtMs', () => {
  it('by default makes 10 attempts, from 500 ms doubling to 60 s', () => {
    expect(waits({}, 10)).toEqual([500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, null]);
  });

  it('makes exactly maxAttempts attempts', () => {
    expect(waits({ maxAttempts: 1 }, 1)).toEqual([null]);
    expect(waits({ maxAttempts: 3, backoffRate: 1 }, 3)).toEqual([500, 500, null]);
  });

  it('caps the wait by maxIntervalMs from the first one on', () => {
    expect(waits({ initialIntervalMs: 100, backoffRate: 3, maxIntervalMs: 500 }, 4)).toEqual([100, 300, 500, 500]);
    expect(waits({ initialIntervalMs: 900, maxIntervalMs: 500 }, 1)).toEqual([500]);
  });

  it('stays a number when the growth of the wait is past what a number holds', () => {
    expect(waitMs({ maxAttempts: 1_000, initialIntervalMs: 0, backoffRate: 10 }, 999)).toBe(0);
    expect(waitMs({ maxAttempts: 1_000, initialIntervalMs: 1, backoffRate: 10 }, 999)).toBe(60_000);
  });

  it('spreads full jitter over the whole wait, equal jitter over its upper half, none not at all', () => {
    const spread = (jitter: RetryPolicy['jitter']) =>
      [0, 0.5, 0.999].map((chance) => waitMs({ jitter, initialIntervalMs: 1_000 }, 1, { jitter: chance }));
    expect(spread('full')).toEqual([0, 500, 999]);
    expect(spread('equal')).toEqual([500, 750, 1_000]);
    expect(spread('none')).toEqual([1_000, 1_000, 1_000]);
  });

  it('never waits less than asked for a fraction of a millisecond', () => {
    expect(waitMs({ jitter: 'full', initialIntervalMs: 1_000 }, 1, { jitter: 0.0001 })).toBe(1);
  });

  it('follows an explicit schedule and repeats its last wait, whatever maxIntervalMs says', () => {
    expect(waits({ schedule: [10, 90_000, 30], maxAttempts: 6 }, 6)).toEqual([10, 90_000, 30, 30, 30, null]);
    expect(waits({ schedule: [] }, 2)).toEqual([500, 1_000]);
  });

  it('spreads a schedule as the jitter says', () => {
    expect(waitMs({ schedule: [1_000], jitter: 'equal' }, 1, { jitter: 0 })).toBe(500);
  });
});

describe('Retry-After', () => {
  it('is a lower bound: the longer of the two waits counts', () => {
    expect(waitMs({}, 1, { retryAfterMs: 7_000 })).toBe(7_000);
    expect(waitMs({}, 1, { retryAfterMs: 100 })).toBe(500);
    expect(waitMs({}, 1, { retryAfterMs: 0 })).toBe(500);
  });

  it('is itself capped by retryAfterMaxMs, an hour, so that a year parks nothing for a year', () => {
    expect(waitMs({}, 1, { retryAfterMs: 3_600_000 })).toBe(3_600_000);
    expect(waitMs({}, 1, { retryAfterMs: 365 * 86_400_000 })).toBe(3_600_000);
    expect(waitMs({ retryAfterMaxMs: 2_000 }, 1, { retryAfterMs: 7_000 })).toBe(2_000);
    expect(waitMs({ retryAfterMaxMs: 0 }, 1, { retryAfterMs: 7_000 })).toBe(500);
    expect(waitMs({ schedule: [7_200_000] }, 1, { retryAfterMs: 365 * 86_400_000 })).toBe(7_200_000);
  });

  it('may ask for longer than maxIntervalMs, which is for waits of our own', () => {
    expect(waitMs({ maxIntervalMs: 1_000 }, 1, { retryAfterMs: 90_000 })).toBe(90_000);
  });

  it('is no retry where it would come past the time limit or the deadline', () => {
    expect(waitMs({ totalTimeoutMs: 60_000 }, 1, { retryAfterMs: 90_000 })).toBe(null);
    expect(waitMs({}, 1, { retryAfterMs: 90_000 }, AT + 60_000)).toBe(null);
  });

  it('is not shortened by jitter', () => {
    expect(waitMs({ jitter: 'full' }, 1, { retryAfterMs: 7_000, jitter: 0.5 })).toBe(7_000);
  });

  it('is left out when the policy says so', () => {
    expect(waitMs({ honourRetryAfter: false }, 1, { retryAfterMs: 7_000 })).toBe(500);
  });
});

describe('error names', () => {
  const retried = (policy: Partial<RetryPolicy>, name: string, retryable: boolean) =>
    waitMs(policy, 1, { name, retryable }) !== null;

  it('leaves it to the class of the failure when none are given', () => {
    expect(retried({}, 'HTTP.503', true)).toBe(true);
    expect(retried({}, 'HTTP.404', false)).toBe(false);
  });

  it('retries exactly the names of retryOn, permanent ones included', () => {
    expect(retried({ retryOn: ['HTTP.404'] }, 'HTTP.404', false)).toBe(true);
    expect(retried({ retryOn: ['HTTP.404'] }, 'HTTP.503', true)).toBe(false);
    expect(retried({ retryOn: ['HTTP.404'] }, 'HTTP.4040', true)).toBe(false);
    expect(retried({ retryOn: [] }, 'HTTP.503', true)).toBe(false);
  });

  it('matches any rest after a star at the end', () => {
    expect(retried({ retryOn: ['HTTP.5*'] }, 'HTTP.503', true)).toBe(true);
    expect(retried({ retryOn: ['HTTP.5*'] }, 'HTTP.404', true)).toBe(false);
    expect(retried({ retryOn: ['*'] }, 'CardDeclined', false)).toBe(true);
  });

  it('lets doNotRetryOn go before retryOn', () => {
    expect(retried({ retryOn: ['*'], doNotRetryOn: ['CardDeclined'] }, 'CardDeclined', true)).toBe(false);
    expect(retried({ retryOn: ['*'], doNotRetryOn: ['Card*'] }, 'CardDeclined', true)).toBe(false);
    expect(retried({ retryOn: ['*'], doNotRetryOn: ['Card*'] }, 'HTTP.503', true)).toBe(true);
  });
});

describe('the end of trying', () => {
  it('plans no attempt at or past totalTimeoutMs from the entry', () => {
    // Entered a second before the failure, so 500 ms from now are 1,500 ms from the entry.
    expect(waitMs({ totalTimeoutMs: 1_501 })).toBe(500);
    expect(waitMs({ totalTimeoutMs: 1_500 })).toBe(null);
  });

  it('plans no attempt at or past the deadline of the step', () => {
    expect(waitMs({}, 1, {}, AT + 501)).toBe(500);
    expect(waitMs({}, 1, {}, AT + 500)).toBe(null);
  });

  it('counts a wait that Retry-After made longer', () => {
    expect(waitMs({ totalTimeoutMs: 5_000 }, 1, { retryAfterMs: 4_000 })).toBe(null);
    expect(waitMs({ totalTimeoutMs: 5_000 }, 1, { retryAfterMs: 3_999 })).toBe(3_999);
  });
});
