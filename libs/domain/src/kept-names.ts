import { hold, release } from './forgetting.js';
import { NODE_KINDS } from './nodes/node-kinds.js';
import { scopeOf, slotKey, type PayloadSource, type ScopeKey } from './run.js';
import type { RunState, StepState } from './run-state.js';
import { NotedMap } from './undo.js';

// What a node gave is kept under a name (`as`) in its scope: its own branch knows it at once, what is around when the container
// has ended. What is named in an item or a round is known there alone.

/** Keeps it in a scope, over what has the name there. */
export const keepName = (run: RunState, scope: ScopeKey, name: string, source: PayloadSource): void => {
  let names = run.names.get(scope);
  if (names === undefined) run.names.set(scope, (names = new NotedMap()));
  hold(run, source);
  release(run, names.get(name) ?? null);
  names.set(name, source);
};

/** A container has ended: when it did well, what was named in its slots is known around it, that of the last slot over the others. */
export const passNamesUp = (run: RunState, step: StepState, endedWell: boolean): void => {
  if (run.names.size === 0 || step.slots === null) return;
  const passes = endedWell && !NODE_KINDS[step.kind].keepsNames;
  for (let slot = 0; slot < step.slots.opened; slot++) {
    const names = run.names.get(slotKey(step.key, slot));
    if (names === undefined) continue;
    if (passes) for (const [name, source] of names) keepName(run, scopeOf(step), name, source);
    dropNames(run, slotKey(step.key, slot));
  }
};

/** Nobody is in the scope any more. */
export const dropNames = (run: RunState, scope: ScopeKey): void => {
  const names = run.names.get(scope);
  if (names === undefined) return;
  for (const source of names.values()) release(run, source);
  run.names.delete(scope);
};
