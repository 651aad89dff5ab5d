import type { StepTimeouts } from '../plan.js';
import type { RetryPolicy } from '../retry-policy.js';
import { quoted } from './finding.js';
import { isWithin, kindOf, type MemberReader } from './member-reader.js';

/** 366 days: nothing waits longer. */
const WAIT_MAX_MS = 366 * 24 * 60 * 60 * 1_000;
const ATTEMPTS_MAX = 1_000;
const SCHEDULE_MAX = 1_000;
const ERROR_NAMES_MAX = 100;
const ERROR_NAME_CHARS_MAX = 255;

const RETRY_MEMBERS = [
  'maxAttempts',
  'initialIntervalMs',
  'backoffRate',
  'maxIntervalMs',
  'jitter',
  'schedule',
  'retryOn',
  'doNotRetryOn',
  'honourRetryAfter',
  'totalTimeoutMs',
  'onUnknown',
];

const WAIT = { min: 0, max: WAIT_MAX_MS };
const TIMEOUT = { min: 1, max: WAIT_MAX_MS };

/** Reads a retry policy: each member that is not given comes from `base`. */
export const readRetry = (reader: MemberReader, base: RetryPolicy): RetryPolicy => {
  reader.refuseOthers(RETRY_MEMBERS);
  // An exponential wait given here is meant instead of a schedule given further out.
  const ownSchedule = reader.has('initialIntervalMs') || reader.has('backoffRate') ? null : base.schedule;
  const schedule = readSchedule(reader);
  const retryOn = reader.raw('retryOn') === null ? null : readErrorNames(reader, 'retryOn');
  const totalTimeoutMs = reader.numberOrNull('totalTimeoutMs', TIMEOUT);
  const policy: RetryPolicy = {
    maxAttempts: reader.number('maxAttempts', { min: 1, max: ATTEMPTS_MAX }) ?? base.maxAttempts,
    initialIntervalMs: reader.number('initialIntervalMs', WAIT) ?? base.initialIntervalMs,
    backoffRate: reader.number('backoffRate', { min: 1, max: 1_000, whole: false }) ?? base.backoffRate,
    maxIntervalMs: reader.number('maxIntervalMs', WAIT) ?? base.maxIntervalMs,
    jitter: reader.oneOf('jitter', ['full', 'equal', 'none']) ?? base.jitter,
    schedule: schedule === undefined ? ownSchedule : schedule,
    retryOn: retryOn === undefined ? base.retryOn : retryOn,
    doNotRetryOn: readErrorNames(reader, 'doNotRetryOn') ?? base.doNotRetryOn,
    honourRetryAfter: reader.boolean('honourRetryAfter') ?? base.honourRetryAfter,
    totalTimeoutMs: totalTimeoutMs === undefined ? base.totalTimeoutMs : totalTimeoutMs,
    onUnknown: reader.oneOf('onUnknown', ['retry', 'fail']) ?? base.onUnknown,
  };
  warnOfCutWaits(reader, policy);
  return policy;
};

/** Said where one of the two is given, not again wherever both are inherited. */
const warnOfCutWaits = (reader: MemberReader, policy: RetryPolicy): void => {
  const { initialIntervalMs, maxIntervalMs } = policy;
  const member = ['initialIntervalMs', 'maxIntervalMs'].find((key) => reader.has(key));
  if (member === undefined || policy.schedule !== null || initialIntervalMs <= maxIntervalMs) return;
  const detail = `initialIntervalMs (${initialIntervalMs}) is above maxIntervalMs (${maxIntervalMs}), which every wait is cut to`;
  reader.findings.warning(reader.at(member), detail);
};

const readSchedule = (reader: MemberReader): readonly number[] | null | undefined => {
  if (reader.raw('schedule') === null) return null;
  const list = reader.list('schedule');
  if (list === undefined) return undefined;
  if (list.length === 0 || list.length > SCHEDULE_MAX) {
    reader.refuse('schedule', `A schedule has 1 to ${SCHEDULE_MAX} waits, not ${list.length}`);
  }
  const waits: number[] = [];
  for (const [index, value] of list.entries()) {
    if (isWithin(value, WAIT)) waits.push(value);
    else
      reader.findings.error(
        `${reader.at('schedule')}/${index}`,
        `A wait is a whole number of milliseconds from 0 to ${WAIT_MAX_MS}, not ${kindOf(value)}`,
      );
  }
  return waits;
};

const readErrorNames = (reader: MemberReader, key: string): readonly string[] | undefined => {
  const list = reader.list(key);
  if (list === undefined) return undefined;
  if (list.length > ERROR_NAMES_MAX)
    reader.refuse(key, `"${key}" has at most ${ERROR_NAMES_MAX} error names, not ${list.length}`);
  const names: string[] = [];
  for (const [index, value] of list.entries()) {
    const pointer = `${reader.at(key)}/${index}`;
    if (typeof value !== 'string')
      reader.findings.error(pointer, `An error name must be a string, not ${kindOf(value)}`);
    else if (!isErrorName(value.replace(/\*$/, 'x')))
      reader.findings.error(
        pointer,
        `${quoted(value)} is no error name: 1 to ${ERROR_NAME_CHARS_MAX} characters, no control characters, "*" only at the end`,
      );
    else names.push(value);
  }
  return names;
};

/** Whether a text can name an error. */
export const isErrorName = (text: string): boolean =>
  text.length >= 1 && text.length <= ERROR_NAME_CHARS_MAX && !/[\p{Cc}*]/u.test(text) && text === text.trim();

const STEP_TIMEOUTS = ['connectMs', 'answerMs', 'stepMs'];
const LATER_TIMEOUTS = ['callbackMs', 'heartbeatMs'];

/** Reads the timeouts of a step, or those that a definition gives to all its steps. */
export const readTimeouts = (reader: MemberReader, base: StepTimeouts): StepTimeouts => {
  const stepMs = reader.numberOrNull('stepMs', TIMEOUT);
  return {
    connectMs: reader.number('connectMs', TIMEOUT) ?? base.connectMs,
    answerMs: reader.number('answerMs', TIMEOUT) ?? base.answerMs,
    stepMs: stepMs === undefined ? base.stepMs : stepMs,
  };
};

export const refuseOtherTimeouts = (reader: MemberReader, more: readonly string[] = []): void =>
  reader.refuseOthers([...STEP_TIMEOUTS, ...more], LATER_TIMEOUTS);

/** How long a whole run may take; `null`: no limit. */
export const readRunTimeout = (reader: MemberReader): number | null =>
  reader.numberOrNull('timeoutMs', TIMEOUT) ?? null;
