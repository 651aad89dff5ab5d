import { dropDue, setDue } from './dues.js';
import type { StepKey, ValuesComputed } from './events.js';
import { toMs } from './instant.js';
import { NODE_KINDS } from './nodes/node-kinds.js';
import { addTo } from './obligations.js';
import { itemsOf } from './payloads.js';
import { scopeOf, slotKey } from './run.js';
import { countPayload, newSlots, updateStep, type RunState, type StepState } from './run-state.js';
import { noteFields } from './undo.js';
import { unreachable } from './unreachable.js';

// How `evolve` lets a step begin that was entered: at once, or when what it computes is known.

export const takeValues = (run: RunState, event: ValuesComputed): void => {
  const { request, slots, items, wait } = event;
  if (items !== null && 'value' in items) countPayload(run, items.value);
  const source = items === null ? null : itemsOf(run, items);
  updateStep(run, event.step, (step) => {
    step.computes = false;
    step.request = request;
    step.slots = slots === null ? null : newSlots(slots.from, slots.count);
    step.items = source;
    step.wait = wait;
    beginStep(run, step, slots?.window ?? 0);
  });
};

/** All that it needs is known: what it awaits is owed. */
export const beginStep = (run: RunState, step: StepState, window: number): void => {
  const { moves, ready, dues } = run.obligations;
  const scope = scopeOf(step);
  moves.delete(scope);
  const { awaits } = NODE_KINDS[step.kind];
  switch (awaits) {
    case 'attempt':
      addTo(ready, step);
      return;
    case 'nothing':
      moves.add(scope);
      return;
    case 'slots':
      for (let open = 0; open < window; open++) openNextSlot(run, step);
      // A join of nothing is complete as it opens.
      if (step.slots?.left === 0) moves.add(scope);
      return;
    case 'time':
      step.status = 'waiting-timer';
      if (step.wait !== null) setDue(dues, 'wait', step.key, toMs(step.wait.wakeAt));
      return;
    default:
      return unreachable(awaits);
  }
};

/** The next one of a container that opens them one by one. */
export const openSlot = (run: RunState, key: StepKey): void =>
  updateStep(run, key, (step) => {
    if (step.slots !== null) noteFields(step.slots);
    run.obligations.moves.delete(scopeOf(step));
    openNextSlot(run, step);
  });

/** It has waited long enough: its token is owed the move. */
export const endWait = (run: RunState, key: StepKey): void =>
  updateStep(run, key, (step) => {
    step.status = 'running';
    dropDue(run.obligations.dues, 'wait', key);
    run.obligations.moves.add(scopeOf(step));
  });

/** Of a container that is new, or whose slots' fields are noted. */
export const openNextSlot = (run: RunState, { key, slots }: StepState): void => {
  if (slots === null || slots.opened >= slots.outputs.length) return;
  const scope = slotKey(key, slots.opened);
  slots.open.add(slots.opened);
  slots.opened += 1;
  run.tokens.set(scope, null);
  run.obligations.moves.add(scope);
};
