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
  /** Error names that are retried whatever their default; `null`: the defaults decide. `*` at the end is a prefix match. */
  readonly retryOn: readonly string[] | null;
  readonly doNotRetryOn: readonly string[];
  readonly honourRetryAfter: boolean;
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
  totalTimeoutMs: null,
  onUnknown: 'retry',
};
