import type { Instant, StepKey } from './events.js';
import { NODE_KINDS } from './nodes/node-kinds.js';
import type { Run } from './run.js';
import { NotedSet } from './undo.js';
import { isStepEnded, type ScopeKey, type Step } from './run.js';

/**
 * What the world still owes a run now. There is no other record of pending work: a restarted owner folds the open runs
 * and gets the same obligations. `evolve` keeps them as an index, equal to what `obligations` recomputes (a property).
 */
export type Obligations = {
  /** Scopes whose token can move without the world: `Advance` is owed. */
  readonly moves: ReadonlySet<ScopeKey>;
  /**
   * Steps whose next attempt may start at once, by the url it goes to: of ten thousand that wait for the same slots one is
   * asked for, and not each at every decision.
   */
  readonly ready: ReadonlyMap<string, ReadonlySet<StepKey>>;
  /** Of those ready, the ones that had an attempt before: the time that their policy gives them runs. */
  readonly again: ReadonlySet<StepKey>;
  /** Steps whose next attempt is due later, and when. */
  readonly retries: ReadonlyMap<StepKey, Instant>;
  /** Attempts without an outcome: step, and the boot of the dispatcher that made it. */
  readonly inFlight: ReadonlyMap<StepKey, string>;
  /** Open steps that must end by an instant (`stepMs`). */
  readonly deadlines: ReadonlyMap<StepKey, Instant>;
  /** When the whole run times out. */
  readonly timeoutAt: Instant | null;
};

/** Recomputes from all steps and tokens what `run.obligations` keeps. */
export const obligations = (run: Run): Obligations => {
  const moves = new Set<ScopeKey>();
  const ready = new Map<string, Set<StepKey>>();
  const again = new Set<StepKey>();
  const retries = new Map<StepKey, Instant>();
  const inFlight = new Map<StepKey, string>();
  const deadlines = new Map<StepKey, Instant>();
  if (run.status !== 'running') return { moves, ready, again, retries, inFlight, deadlines, timeoutAt: null };
  for (const [scope, key] of run.tokens) {
    const step = key === null ? null : (run.steps.get(key) ?? null);
    if (isScopeOpen(run, scope) && (step === null || canMove(step))) moves.add(scope);
  }
  for (const step of run.steps.values()) {
    if (isStepEnded(step)) continue;
    if (step.deadlineAt !== null) deadlines.set(step.key, step.deadlineAt);
    if (step.status === 'scheduled') {
      addTo(ready, step);
      if (step.attempts.length > 0) again.add(step.key);
    }
    if (step.status === 'waiting-retry' && step.retryAt !== null) retries.set(step.key, step.retryAt);
    const last = step.attempts.at(-1);
    if (last?.outcome === 'running') inFlight.set(step.key, last.boot);
  }
  return { moves, ready, again, retries, inFlight, deadlines, timeoutAt: run.timeoutAt };
};

/** Adds a step to those that are ready. */
export const addTo = (ready: Map<string, Set<StepKey>>, { key, request }: Step): void => {
  const url = request?.url ?? '';
  const keys = ready.get(url);
  if (keys === undefined) ready.set(url, new NotedSet([key]));
  else keys.add(key);
};

const isScopeOpen = (run: Run, scope: ScopeKey): boolean => {
  if (scope === '') return true;
  const container = run.steps.get(scope.slice(0, scope.lastIndexOf('#')));
  return container !== undefined && container.status === 'running';
};

const canMove = (step: Step): boolean => {
  if (isStepEnded(step)) return step.status !== 'cancelled' && !step.endedSlot;
  const { awaits } = NODE_KINDS[step.kind];
  return awaits === 'nothing' || (awaits === 'slots' && step.slots?.left === 0);
};
