import type { Precondition } from './precondition.js';
import type { ErrorInfo, FailureClass, RunStarted, StepKey } from './events.js';
import type { EvaluationResult } from './evaluation.js';
import type { JsonText } from './payload.js';
import type { Plan } from './plan.js';
import type { ScopeKey } from './run.js';

/** Orders to a run. Clock, chance and ids come in with them or with the context. */
export type RunCommand =
  | StartRun
  /** An owner's: start the attempt that is owed, under the grant it holds. */
  | { readonly type: 'StartAttempt'; readonly step: StepKey; readonly grant: Grant }
  | {
      readonly type: 'CompleteAttempt';
      readonly step: StepKey;
      readonly attempt: number;
      readonly status: number;
      readonly output: JsonText;
    }
  | FailAttempt
  /** Ended by our own shutdown: does not burn an attempt. */
  | {
      readonly type: 'InterruptAttempt';
      readonly step: StepKey;
      readonly attempt: number;
      readonly class: FailureClass;
    }
  /** An owner's, after a restart or take-over: attempts of every other boot have no known outcome. */
  | { readonly type: 'LoseAttempts'; readonly boot: string }
  /** An owner's: let the token of a scope move that is owed a move. Repeated until none is. */
  | { readonly type: 'Advance'; readonly scope: ScopeKey }
  /** An owner's: the evaluation that the move of a scope needs has come to this. */
  | {
      readonly type: 'Evaluated';
      readonly scope: ScopeKey;
      /** Of the evaluation. */
      readonly id: string;
      readonly result: EvaluationResult;
    }
  /** Time has come: deadlines of steps and run are looked at. */
  | {
      readonly type: 'WakeUp';
      /** Given when the wall clock was set back of late. */
      readonly setBack?: SetBack;
    }
  /** `precondition`: on the revision of the run. */
  | { readonly type: 'CancelRun'; readonly reason: string | null; readonly precondition: Precondition }
  | NoteDuplicateStarts;

/** The wall clock of whoever decides was set back: what was planned by it before moves with it, once. */
export type SetBack = {
  readonly ms: number;
  /** The earliest that the clock may have said since. */
  readonly sinceMs: number;
  /** Nothing was planned in the run since, whatever the instants say. */
  readonly isQuiet: boolean;
  /** Retries of this boot's attempts were planned by this clock, and nothing else is known to; `null`: all dues were. */
  readonly boot: string | null;
};

export type StartRun = Omit<RunStarted, 'type' | 'timeoutAt'> & {
  readonly type: 'StartRun';
  /** The caller's own limit; the plan's applies as well, the shorter wins. */
  readonly timeoutMs: number | null;
};

export type NoteDuplicateStarts = {
  readonly type: 'NoteDuplicateStarts';
  /** Starts that were answered as the first one was. */
  readonly count: number;
  /** Starts that were refused: same key, another payload. */
  readonly refused: number;
  /** Nobody will note these later: the minute between two notes is not kept. */
  readonly last: boolean;
};

export type FailAttempt = {
  readonly type: 'FailAttempt';
  readonly step: StepKey;
  readonly attempt: number;
  readonly class: FailureClass;
  /** Whether the default policy would try again; `retryOn` and `doNotRetryOn` go before it. */
  readonly retryable: boolean;
  readonly status: number | null;
  readonly error: ErrorInfo;
  /** The beginning of what came, as text. */
  readonly body: string | null;
  readonly retryAfterMs: number | null;
  /** In [0, 1). */
  readonly jitter: number;
};

/** An owner's permission for one attempt. */
export type Grant = { readonly dispatcher: string; readonly boot: string };

/** Whether it is certain of an attempt in flight that no byte of it has left, nor will once this decision has ended it. */
export type IsUnsent = (step: StepKey, attempt: number) => boolean;

export type Context = {
  readonly plan: Plan;
  /** Known where attempts are made; elsewhere each may have executed. */
  readonly isUnsent: IsUnsent;
  /** Milliseconds since the epoch. */
  readonly atMs: number;
  readonly limits: RunLimits;
};

export type RunLimits = {
  readonly payloadMaxBytes: number;
  /** Of all payloads of a run together. */
  readonly payloadsMaxBytes: number;
  readonly eventsMax: number;
  /** Entered in a run. */
  readonly stepsMax: number;
  /** Of one step. */
  readonly attemptsMax: number;
  /** Of one map. */
  readonly itemsMax: number;
  /** Of one wait. */
  readonly waitMaxMs: number;
};

export const DEFAULT_RUN_LIMITS: RunLimits = {
  payloadMaxBytes: 256 * 1024,
  payloadsMaxBytes: 64 * 1024 * 1024,
  eventsMax: 500_000,
  stepsMax: 100_000,
  attemptsMax: 1_000,
  itemsMax: 10_000,
  waitMaxMs: 366 * 86_400_000,
};

/** Business says no: a value, never an exception. */
export type Rejection =
  | { readonly code: 'run-not-found' }
  | { readonly code: 'run-ended'; readonly status: string }
  /** The run has moved on since the sender saw it. */
  | { readonly code: 'not-as-seen'; readonly revision: number }
  | { readonly code: 'run-archived'; readonly file: string }
  | { readonly code: 'key-reused'; readonly first: string; readonly given: string }
  | { readonly code: 'unknown-step'; readonly step: StepKey }
  /** No append holds what the start would put into the log. */
  | { readonly code: 'too-large' }
  | { readonly code: 'not-owed'; readonly step: StepKey }
  /** No move of the scope needs it, or not any more. */
  | { readonly code: 'stale-evaluation'; readonly scope: ScopeKey; readonly id: string }
  | { readonly code: 'stale-attempt'; readonly step: StepKey; readonly attempt: number };
