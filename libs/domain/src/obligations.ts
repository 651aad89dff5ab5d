import { noDues, setDue, type Dues } from './dues.js';
import type { StepKey } from './events.js';
import { toMs } from './instant.js';
import { NODE_KINDS } from './nodes/node-kinds.js';
import type { Run } from './run.js';
import { NotedSet } from './undo.js';
import { isEnded, isStepEnded, type ScopeKey, type Step } from './run.js';

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
  /** Attempts without an outcome: step, and the boot of the dispatcher that made it. */
  readonly inFlight: ReadonlyMap<StepKey, string>;
  /** What comes due by time alone. */
  readonly dues: Dues;
};

/** Recomputes from all steps and tokens what `run.obligations` keeps. */
export const obligations = (run: Run): Obligations => {
  const moves = new Set<ScopeKey>();
  const ready = new Map<string, Set<StepKey>>();
  const inFlight = new Map<StepKey, string>();
  const dues = noDues();
  if (isEnded(run)) return { moves, ready, inFlight, dues };
  if (run.timeoutAt !== null) setDue(dues, 'run', '', toMs(run.timeoutAt));
  for (const [scope, key] of run.tokens) {
    const step = key === null ? null : (run.steps.get(key) ?? null);
    if (isScopeOpen(run, scope) && (step === null || canMove(step))) moves.add(scope);
  }
  for (const step of run.steps.values()) {
    if (isStepEnded(step)) continue;
    const last = step.attempts.at(-1);
    if (last?.outcome === 'running') inFlight.set(step.key, last.boot);
    if (last?.outcome === 'succeeded') continue;
    if (step.deadlineAt !== null) setDue(dues, 'step', step.key, toMs(step.deadlineAt));
    if (step.status === 'waiting-timer' && step.wait !== null) setDue(dues, 'wait', step.key, toMs(step.wait.wakeAt));
    if (step.status === 'scheduled' && !step.computes) addTo(ready, step);
    if (step.status === 'waiting-retry' && step.retryAt !== null) setDue(dues, 'retry', step.key, toMs(step.retryAt));
    if (step.retriesEndAt !== null && last !== undefined && step.status !== 'running')
      setDue(dues, 'attempts', step.key, toMs(step.retriesEndAt));
  }
  return { moves, ready, inFlight, dues };
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
  if (step.computes) return true;
  const { awaits, opens } = NODE_KINDS[step.kind];
  if (awaits === 'attempt') return step.attempts.at(-1)?.outcome === 'succeeded';
  if (awaits === 'time') return step.status !== 'waiting-timer';
  // Whether a further slot opens is a decision.
  return awaits === 'nothing' || step.slots?.left === 0 || (opens === 'one by one' && step.slots?.open.size === 0);
};
