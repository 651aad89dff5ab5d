import type { Instant, StepKey } from './events.js';
import type { Run } from './run.js';
import { isStepEnded } from './run.js';

/**
 * What the world still owes a run now. There is no other record of pending work: a restarted owner folds the open runs
 * and gets the same obligations. `evolve` keeps them as an index, equal to what `obligations` recomputes (a property).
 */
export type Obligations = {
  /** Steps whose next attempt may start at once. */
  readonly ready: ReadonlySet<StepKey>;
  /** Steps whose next attempt is due later, and when. */
  readonly retries: ReadonlyMap<StepKey, Instant>;
  /** Attempts without an outcome: step, and the boot of the dispatcher that made it. */
  readonly inFlight: ReadonlyMap<StepKey, string>;
  /** Open steps that must end by an instant (`stepMs`). */
  readonly deadlines: ReadonlyMap<StepKey, Instant>;
  /** When the whole run times out. */
  readonly timeoutAt: Instant | null;
};

/** Recomputes from all steps what `run.obligations` keeps. */
export const obligations = (run: Run): Obligations => {
  const ready = new Set<StepKey>();
  const retries = new Map<StepKey, Instant>();
  const inFlight = new Map<StepKey, string>();
  const deadlines = new Map<StepKey, Instant>();
  if (run.status !== 'running') return { ready, retries, inFlight, deadlines, timeoutAt: null };
  for (const step of run.steps.values()) {
    if (isStepEnded(step)) continue;
    if (step.deadlineAt !== null) deadlines.set(step.key, step.deadlineAt);
    if (step.kind !== 'step') continue;
    if (step.status === 'scheduled') ready.add(step.key);
    if (step.status === 'waiting-retry') retries.set(step.key, step.retryAt!);
    if (step.status === 'running') inFlight.set(step.key, step.attempts.at(-1)!.boot);
  }
  return { ready, retries, inFlight, deadlines, timeoutAt: run.started.timeoutAt };
};
