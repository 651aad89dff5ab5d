import { unreachable } from './unreachable.js';

/** When a failed attempt is made again. Plans hold it fully resolved (step, then definition, then service default). */
export type RetryPolicy = {
  /** 1 means no retry. At most 1,000. */
  readonly maxAttempts: number;
  readonly initialIntervalMs: number;
  readonly backoffRate: number;
  readonly maxIntervalMs: number;
  readonly jitter: 'full' | 'equal' | 'none';
  /** Explicit delays in milliseconds, the last repeated; replaces the exponential ones. `null`: none. */
  readonly schedule: readonly number[] | null;
  /** When given, exactly these error names are retried; `null`: the defaults decide. A `*` at the end matches any rest. */
  readonly retryOn: readonly string[] | null;
  readonly doNotRetryOn: readonly string[];
  readonly honourRetryAfter: boolean;
  /** The longest that an answer may make the next attempt wait, whatever `maxIntervalMs` says. */
  readonly retryAfterMaxMs: number;
  /** From the step's entry: no attempt starts later. `null`: no limit. */
  readonly totalTimeoutMs: number | null;
  readonly onUnknown: 'retry' | 'fail';
};

export const DEFAULT_RETRY: RetryPolicy = {
  maxAttempts: 10,
  initialIntervalMs: 500,
  backoffRate: 2,
  maxIntervalMs: 60_000,
  jitter: 'equal',
  schedule: null,
  retryOn: null,
  doNotRetryOn: [],
  honourRetryAfter: true,
  retryAfterMaxMs: 3_600_000,
  totalTimeoutMs: null,
  onUnknown: 'retry',
};

/** What a decision to retry needs to know of a failed attempt. */
export type Failure = {
  readonly atMs: number;
  readonly name: string;
  /** Whether the default policy would try again. */
  readonly retryable: boolean;
  readonly retryAfterMs: number | null;
  /** In [0, 1). */
  readonly jitter: number;
};

/** When the step was entered and must end, and how many attempts of its budget are used, the failed one included. */
export type RetryProgress = {
  readonly budgetUsed: number;
  readonly enteredAtMs: number;
  readonly deadlineMs: number | null;
};

/**
 * When the next attempt is due, in milliseconds since the epoch, or `null` when none follows: by budget, by the error's
 * name, or because it would start past `totalTimeoutMs` or the step's deadline. `Retry-After` is a lower bound, itself
 * capped by `retryAfterMaxMs`, so that a year-long value parks nothing for a year.
 */
export const nextAttemptAtMs = (policy: RetryPolicy, failure: Failure, progress: RetryProgress): number | null => {
  if (progress.budgetUsed >= policy.maxAttempts || !isRetried(policy, failure)) return null;
  const asked = policy.honourRetryAfter ? Math.min(failure.retryAfterMs ?? 0, policy.retryAfterMaxMs) : 0;
  const dueMs = failure.atMs + Math.ceil(Math.max(delayMs(policy, progress.budgetUsed, failure.jitter), asked));
  if (policy.totalTimeoutMs !== null && dueMs >= progress.enteredAtMs + policy.totalTimeoutMs) return null;
  if (progress.deadlineMs !== null && dueMs >= progress.deadlineMs) return null;
  return dueMs;
};

const isRetried = (policy: RetryPolicy, failure: Failure): boolean => {
  if (matchesAny(policy.doNotRetryOn, failure.name)) return false;
  return policy.retryOn === null ? failure.retryable : matchesAny(policy.retryOn, failure.name);
};

const matchesAny = (patterns: readonly string[], name: string): boolean =>
  patterns.some((pattern) => (pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern));

const delayMs = (policy: RetryPolicy, failures: number, jitter: number): number => {
  const planned =
    policy.schedule !== null && policy.schedule.length > 0
      ? (policy.schedule[Math.min(failures, policy.schedule.length) - 1] ?? 0)
      : exponentialMs(policy, failures);
  switch (policy.jitter) {
    case 'none':
      return planned;
    case 'full':
      return planned * jitter;
    case 'equal':
      return planned / 2 + (planned / 2) * jitter;
    default:
      return unreachable(policy.jitter);
  }
};

/** No wait stays none: 0 times a growth past what a number holds would be no number, and no instant. */
const exponentialMs = (policy: RetryPolicy, failures: number): number =>
  policy.initialIntervalMs === 0
    ? 0
    : Math.min(policy.initialIntervalMs * policy.backoffRate ** (failures - 1), policy.maxIntervalMs);
