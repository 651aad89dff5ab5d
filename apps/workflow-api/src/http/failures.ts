import { stepKeys, type Plan, type Rejection } from '#domain';
import { RunParked, type ParkedRun } from '#engine';
import { LogFull } from '#event-store';
import { nearestNames, systemClock, type Log, type LogFields } from '#runtime';
import { HttpProblem, type Problem } from './problems.js';
import { didYouMean } from './validation.js';

export const STORAGE_UNAVAILABLE: Problem = {
  code: 'storage-unavailable',
  detail:
    'The event store did not confirm. Whether the request took effect is unknown: send it again with the same key.',
};

export const STORAGE_FULL: Problem = {
  code: 'storage-full',
  detail: 'The event log has no room. The request has changed nothing: send it again when there is room.',
};

/** Why a run could not be written. */
export const unavailableProblem = (cause: unknown): Problem =>
  cause instanceof LogFull ? STORAGE_FULL : cause instanceof RunParked ? runParked(cause) : STORAGE_UNAVAILABLE;

export const runParked = ({ since, reason }: ParkedRun): Problem => ({
  code: 'run-parked',
  detail: `A mistake of the server has stopped the run at ${since}, and nothing is done for it: ${reason}`,
});

/** The one table from rejections to problems. */
export const rejectionProblem = (rejection: Rejection, plan: Plan | null = null): Problem => {
  switch (rejection.code) {
    case 'run-not-found':
      return { code: 'run-not-found', detail: 'There is no run with this id.' };
    case 'run-ended':
      return { code: 'run-ended', detail: `The run has ended as ${rejection.status}.` };
    case 'not-as-seen':
      return {
        code: 'precondition-failed',
        detail: `The run is not as the preconditions want it: it is at revision ${rejection.revision} now. Nothing was changed.`,
      };
    case 'run-archived':
      return runArchived(rejection.file);
    case 'key-reused':
      return {
        code: 'idempotency-key-reused',
        detail: `The key was first used with another payload: fingerprint ${rejection.first}, this one has ${rejection.given}. Nothing was started.`,
        errors: [
          { pointer: 'Idempotency-Key', detail: `First used for ${rejection.first}, now for ${rejection.given}.` },
        ],
      };
    case 'too-large':
      return {
        code: 'payload-too-large',
        detail: 'The input and the variables together are larger than one append to the log. Nothing was started.',
      };
    case 'unknown-step':
      return unknownStep(rejection.step, plan);
    default:
      // The others answer orders that only an owner gives, never a client.
      return { code: 'conflict', detail: `The order is refused: ${rejection.code}.` };
  }
};

export const runArchived = (file: string, headers: Problem['headers'] = {}): Problem => ({
  code: 'run-archived',
  detail: `The run has ended and is archived in ${file}.`,
  file,
  headers,
});

const unknownStep = (step: string, plan: Plan | null): Problem => {
  const hint = didYouMean(nearestNames(step, plan === null ? [] : stepKeys(plan)));
  const detail = `The definition has no step ${JSON.stringify(step)} to start from.${hint}`;
  return { code: 'step-unknown', detail, errors: [{ pointer: '/fromStep', detail }] };
};

/** What a failure is answered with; what is no known failure is a mistake of ours, which goes to the log. */
export const failureProblem = (error: unknown, log: Log, about: LogFields): Problem => {
  if (error instanceof HttpProblem) return error.problem;
  if (error instanceof RunParked) return runParked(error);
  if (isFault(error) && error.retryable) {
    sayRarely(log, { ...about, code: error.code, reason: error.message });
    if (error instanceof LogFull) return STORAGE_FULL;
    return { ...STORAGE_UNAVAILABLE, detail: 'A store does not answer now.' };
  }
  log.error('a request failed', { ...about, err: error });
  return { code: 'internal-error', detail: 'The request failed by a mistake of the server.' };
};

const SAID_EVERY_MS = 1_000;
const said = new WeakMap<Log, { readonly atMs: number; unsaid: number }>();

/** One line a second, and no stack: while a store is away every request fails, and a line for each would cost more than it. */
const sayRarely = (log: Log, fields: LogFields): void => {
  const last = said.get(log);
  const atMs = systemClock.monotonicMs();
  if (last !== undefined && atMs < last.atMs + SAID_EVERY_MS) {
    last.unsaid += 1;
    return;
  }
  said.set(log, { atMs, unsaid: 0 });
  log.warn('a request failed for a moment', { ...fields, unsaid: last?.unsaid ?? 0 });
};

const isFault = (error: unknown): error is Error & { readonly code: string; readonly retryable: boolean } =>
  error instanceof Error && 'retryable' in error && typeof error.retryable === 'boolean';
