import type { StepTimeouts } from '../plan.js';
import { DEFAULT_RETRY, type RetryPolicy } from '../retry-policy.js';
import { errorNames } from './error-name.js';
import { anyNumber, choice, flag, listOf, optional, orNull, wholeNumber, type MemberTable } from './member-kind.js';
import { object, type MemberReader } from './member-reader.js';

/** 366 days: nothing waits longer. */
export const WAIT_MAX_MS = 366 * 24 * 60 * 60 * 1_000;
const wait = wholeNumber({ min: 0, max: WAIT_MAX_MS });
const timeout = wholeNumber({ min: 1, max: WAIT_MAX_MS });

/** When a failed attempt is made again. */
export const RETRY_MEMBERS: MemberTable<RetryPolicy> = {
  maxAttempts: optional(
    wholeNumber({ min: 1, max: 1_000 }),
    'How many attempts a step has, the first one included. 1: none is repeated.',
    DEFAULT_RETRY.maxAttempts,
  ),
  initialIntervalMs: optional(
    wait,
    'The wait before the second attempt, in milliseconds.',
    DEFAULT_RETRY.initialIntervalMs,
  ),
  backoffRate: optional(
    anyNumber({ min: 1, max: 1_000 }),
    'Each further wait is the one before times this.',
    DEFAULT_RETRY.backoffRate,
  ),
  maxIntervalMs: optional(wait, 'No such wait is longer, in milliseconds.', DEFAULT_RETRY.maxIntervalMs),
  jitter: optional(
    choice<RetryPolicy['jitter']>(['full', 'equal', 'none']),
    'How chance changes a wait. full: anything from 0 to the wait. equal: from half of it to all of it. none: exactly the wait.',
    DEFAULT_RETRY.jitter,
  ),
  schedule: optional(
    orNull(listOf(wait, { min: 1, max: 1_000 })),
    'The waits one by one, in milliseconds, instead of the growing ones. The last is used again. null: none.',
    DEFAULT_RETRY.schedule,
  ),
  retryOn: optional(
    orNull(listOf(errorNames, { min: 0, max: 100 })),
    'When given, these errors are retried and no others: names, or beginnings such as "HTTP.*". null: the service decides by the kind of the error.',
    DEFAULT_RETRY.retryOn,
  ),
  doNotRetryOn: optional(
    listOf(errorNames, { min: 0, max: 100 }),
    'These errors are never retried, whatever retryOn says: names, or beginnings such as "HTTP.*".',
    DEFAULT_RETRY.doNotRetryOn,
  ),
  honourRetryAfter: optional(
    flag,
    'Whether a Retry-After header of an answer makes the wait longer.',
    DEFAULT_RETRY.honourRetryAfter,
  ),
  retryAfterMaxMs: optional(
    wait,
    'The longest wait that a Retry-After header may ask for, in milliseconds, whatever maxIntervalMs says.',
    DEFAULT_RETRY.retryAfterMaxMs,
  ),
  totalTimeoutMs: optional(
    orNull(timeout),
    'No attempt starts later than this after the step began, in milliseconds. null: no limit.',
    DEFAULT_RETRY.totalTimeoutMs,
  ),
  onUnknown: optional(
    choice<RetryPolicy['onUnknown']>(['retry', 'fail']),
    'What follows when nobody knows how an attempt ended, because the service was stopped meanwhile. retry: the request is sent again, under the same key. fail: the step fails.',
    DEFAULT_RETRY.onUnknown,
  ),
};

export const retry = object(RETRY_MEMBERS, { schema: 'Retry' });

/** Reads a retry policy: each member that is not given comes from `base`. */
export const readRetry = (reader: MemberReader<RetryPolicy>, base: RetryPolicy): RetryPolicy => {
  // An exponential wait given here is meant instead of a schedule given further out.
  const schedule = reader.has('initialIntervalMs') || reader.has('backoffRate') ? null : base.schedule;
  const policy: RetryPolicy = {
    maxAttempts: reader.readOr('maxAttempts', base.maxAttempts),
    initialIntervalMs: reader.readOr('initialIntervalMs', base.initialIntervalMs),
    backoffRate: reader.readOr('backoffRate', base.backoffRate),
    maxIntervalMs: reader.readOr('maxIntervalMs', base.maxIntervalMs),
    jitter: reader.readOr('jitter', base.jitter),
    schedule: reader.readOr('schedule', schedule),
    retryOn: reader.readOr('retryOn', base.retryOn),
    doNotRetryOn: reader.readOr('doNotRetryOn', base.doNotRetryOn),
    honourRetryAfter: reader.readOr('honourRetryAfter', base.honourRetryAfter),
    retryAfterMaxMs: reader.readOr('retryAfterMaxMs', base.retryAfterMaxMs),
    totalTimeoutMs: reader.readOr('totalTimeoutMs', base.totalTimeoutMs),
    onUnknown: reader.readOr('onUnknown', base.onUnknown),
  };
  warnOfCutWaits(reader, policy);
  return policy;
};

/** Said where one of the two is given, not again wherever both are inherited. */
const warnOfCutWaits = (reader: MemberReader<RetryPolicy>, policy: RetryPolicy): void => {
  const { initialIntervalMs, maxIntervalMs } = policy;
  const member = ['initialIntervalMs', 'maxIntervalMs'].find((key) => reader.has(key));
  if (member === undefined || policy.schedule !== null || initialIntervalMs <= maxIntervalMs) return;
  const detail = `initialIntervalMs (${initialIntervalMs}) is above maxIntervalMs (${maxIntervalMs}), which every wait is cut to`;
  const { findings, pointer } = reader.at(member);
  findings.warning(pointer, detail);
};

export const DEFAULT_TIMEOUTS: StepTimeouts = { connectMs: 5_000, answerMs: 30_000, stepMs: null };

/** How long a step may take. */
export const TIMEOUT_MEMBERS: MemberTable<StepTimeouts> = {
  connectMs: optional(timeout, 'How long connecting may take, in milliseconds.', DEFAULT_TIMEOUTS.connectMs),
  answerMs: optional(
    timeout,
    'How long one attempt may take, from connecting to the last byte of the answer, in milliseconds.',
    DEFAULT_TIMEOUTS.answerMs,
  ),
  stepMs: optional(
    orNull(timeout),
    'How long the step may take with all its attempts and waits, in milliseconds. null: no limit.',
    DEFAULT_TIMEOUTS.stepMs,
  ),
};

export type RunTimeouts = StepTimeouts & { readonly timeoutMs: number | null };

/** The same for all steps of a definition, and how long its runs may take. */
export const RUN_TIMEOUT_MEMBERS: MemberTable<RunTimeouts> = {
  timeoutMs: optional(
    orNull(timeout),
    'How long a whole run may take, in milliseconds. Past it the run ends as timed-out. null: no limit.',
    null,
  ),
  ...TIMEOUT_MEMBERS,
};

const LATER_TIMEOUTS = ['callbackMs', 'heartbeatMs'];
export const stepTimeouts = object(TIMEOUT_MEMBERS, { schema: 'StepTimeouts', later: LATER_TIMEOUTS });
export const runTimeouts = object(RUN_TIMEOUT_MEMBERS, { schema: 'Timeouts', later: LATER_TIMEOUTS });

/** Reads the timeouts of a step, or those that a definition gives to all its steps. */
export const readTimeouts = (reader: MemberReader<StepTimeouts>, base: StepTimeouts): StepTimeouts => ({
  connectMs: reader.readOr('connectMs', base.connectMs),
  answerMs: reader.readOr('answerMs', base.answerMs),
  stepMs: reader.readOr('stepMs', base.stepMs),
});
