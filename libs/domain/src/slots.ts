import { dropDue, setDue } from './dues.js';
import type { StepKey, ValuesComputed } from './events.js';
import { toMs } from './instant.js';
import { NODE_KINDS } from './nodes/node-kinds.js';
import { forgetSlot, hold, release } from './forgetting.js';
import { dropNames } from './kept-names.js';
import { addTo } from './obligations.js';
import { itemsOf } from './payloads.js';
import { isStepEnded, scopeOf, slotKey, type PayloadSource } from './run.js';
import { countPayload, newSlots, updateStep, type RunState, type StepState } from './run-state.js';
import { beforeChange, noteFields } from './undo.js';
import { unreachable } from './unreachable.js';

// How `evolve` lets a step begin that was entered, at once or when what it computes is known, and opens and joins its slots.

export const takeValues = (run: RunState, event: ValuesComputed): void => {
  const { request, slots, items, wait } = event;
  if (items !== null && 'value' in items) countPayload(run, items.value);
  const source = items === null ? null : itemsOf(run, items);
  hold(run, source);
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

/** A slot has ended with this step: the container counts one less. */
export const joinSlot = (run: RunState, step: StepState): void => {
  run.obligations.moves.delete(scopeOf(step));
  const container = step.parent === null ? undefined : run.steps.get(step.parent);
  const slots = container?.slots ?? null;
  if (container === undefined || slots === null || step.slot === null) return;
  noteFields(slots);
  // Not all of them: there may be thousands.
  const { outputs } = slots;
  const { slot } = step;
  const before = outputs[slot] ?? null;
  beforeChange(() => () => (outputs[slot] = before));
  slots.left -= 1;
  slots.open.delete(slot);
  slots.endedBySucceed = isEndedBySucceed(step);
  outputs[slot] = step.outputRef;
  hold(run, step.outputRef);
  forgetSlot(run, container, slot);
  // Of a round until the next one has ended: `until` is asked about it.
  if (NODE_KINDS[container.kind].numbersSlots) dropNames(run, slotKey(container.key, slot));
  else if (NODE_KINDS[container.kind].keepsNames) dropNames(run, slotKey(container.key, slot - 1));
  if (isStepEnded(container)) return;
  const isDecided = NODE_KINDS[container.kind].opens === 'one by one';
  // What the round before gave was the input of this one.
  if (isDecided && slot > 0) releaseOutput(run, outputs, slot - 1);
  if (slots.left === 0 || isDecided) run.obligations.moves.add(scopeOf(container));
  else openNextSlot(run, container);
};

const releaseOutput = (run: RunState, outputs: (PayloadSource | null)[], slot: number): void => {
  const output = outputs[slot] ?? null;
  beforeChange(() => () => (outputs[slot] = output));
  outputs[slot] = null;
  release(run, output);
};

const isEndedBySucceed = ({ kind, status, slots }: StepState): boolean => {
  if (status !== 'completed') return false;
  const { endsSlot } = NODE_KINDS[kind];
  return endsSlot === 'always' || (endsSlot === 'with-inner' && slots !== null && slots.endedBySucceed);
};
