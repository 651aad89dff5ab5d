import { toInstant, type ErrorInfo, type Instant, type Run, type Step, type StepKey } from '#domain';
import type { Owner } from './owner.js';
import type { RunId } from './runs.js';

/** What holds an attempt back that is owed now. */
export type HoldUp = {
  readonly for: 'limit' | 'slots' | 'breaker';
  /** Which of them. */
  readonly on: string;
  readonly since: Instant;
  /** When it may be over; `null`: nobody knows. Never in the past. */
  readonly until: Instant | null;
  /** Of a breaker: why it is open. */
  readonly lastError: ErrorInfo | null;
};

/** What a step waits for. */
export type Wait = Omit<HoldUp, 'for' | 'on'> & {
  readonly step: StepKey;
  readonly for: HoldUp['for'] | 'retry' | 'timer';
  readonly on: string | null;
};

const NONE: readonly Wait[] = [];

/**
 * What the steps of a run wait for now. `owner`: who makes its attempts, if that is this process; of another it is known
 * only that an attempt is owed, and not what holds it back.
 */
export const waitsOf = (runId: RunId, run: Run, owner: Owner | null, nowMs: number): readonly Wait[] => {
  const { dues, ready } = run.obligations;
  if (dues.byKey.size + ready.size === 0) return NONE;
  const waits: Wait[] = [];
  for (const { kind, step: key, atMs } of dues.byKey.values()) {
    const step = kind === 'retry' || kind === 'wait' ? run.steps.get(key) : undefined;
    if (step === undefined) continue;
    const until = toInstant(Math.max(atMs, nowMs));
    if (kind === 'wait')
      waits.push({ step: key, for: 'timer', on: null, since: step.enteredAt, until, lastError: null });
    else if (atMs <= nowMs) waits.push(heldUp(runId, run, step, owner));
    else {
      const wait = { step: key, for: 'retry', on: null, since: sinceOf(step), until } as const;
      waits.push({ ...wait, lastError: errorOf(step) });
    }
  }
  for (const keys of ready.values()) {
    for (const key of keys) {
      const step = run.steps.get(key);
      if (step !== undefined) waits.push(heldUp(runId, run, step, owner));
    }
  }
  return waits;
};

const heldUp = (runId: RunId, run: Run, step: Step, owner: Owner | null): Wait => {
  const hold = owner?.holdUpOf(runId, step, run) ?? null;
  const lastError = errorOf(step);
  if (hold !== null) return { step: step.key, ...hold, lastError: hold.lastError ?? lastError };
  return { step: step.key, for: 'slots', on: null, since: step.retryAt ?? sinceOf(step), until: null, lastError };
};

const sinceOf = (step: Step): Instant => step.attempts.at(-1)?.endedAt ?? step.enteredAt;

const errorOf = (step: Step): ErrorInfo | null => step.attempts.at(-1)?.error ?? null;
