import type { StepKey } from './events.js';
import type { JsonText } from './payload.js';
import type { Attempt, PayloadSource, Run, ScopeKey, Step } from './run.js';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
export type AttemptState = Mutable<Attempt>;
export type StepState = Mutable<Omit<Step, 'attempts' | 'branchOutputs'>> & {
  attempts: AttemptState[];
  branchOutputs: (PayloadSource | null)[];
};

/** The mutable side of a run; only `evolve` writes it. */
export type RunState = Mutable<Omit<Run, 'steps' | 'obligations' | 'tokens' | 'payloads' | 'duesMovedAt'>> & {
  duesMovedAt: Map<StepKey, string> | null;
  steps: Map<StepKey, StepState>;
  tokens: Map<ScopeKey, StepKey | null>;
  payloads: Map<number, JsonText>;
  obligations: {
    moves: Set<ScopeKey>;
    ready: Map<string, Set<StepKey>>;
    again: Set<StepKey>;
    retries: Map<StepKey, string>;
    inFlight: Map<StepKey, string>;
    deadlines: Map<StepKey, string>;
    timeoutAt: string | null;
  };
};

/** An attempt that begins. */
export const newAttempt = (number: number, dispatcher: string, boot: string, at: string): AttemptState => ({
  number,
  outcome: 'running',
  status: null,
  error: null,
  body: null,
  startedAt: at,
  endedAt: null,
  retryAt: null,
  interrupted: false,
  dispatcher,
  boot,
});
