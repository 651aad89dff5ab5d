import type { StepKey } from './events.js';
import { NODE_KINDS } from './nodes/node-kinds.js';
import { isStepEnded, scopeOf, slotKey, type PayloadSource, type Run } from './run.js';
import type { RunState, StepState } from './run-state.js';
import { stepKeyParts } from './step-key.js';
import { noteFields, NotedMap } from './undo.js';

// A run that goes on for months, or over ten thousand items, is decided on by what is open in it: a step is forgotten when the
// token of its scope has left it, and a payload when nothing refers to it. What is over is in the history.

/** The input and the variables of a run are never forgotten. */
const STARTED = 0;

/** Something refers to it from now on. */
export const hold = ({ uses }: RunState, source: PayloadSource | null): void => {
  if (source === null || source.revision === STARTED) return;
  uses.set(source.revision, (uses.get(source.revision) ?? 0) + 1);
};

/** Something refers to it no more: the last one that does takes it away. */
export const release = (run: RunState, source: PayloadSource | null): void => {
  if (source === null || source.revision === STARTED) return;
  const { uses, payloads } = run;
  const left = (uses.get(source.revision) ?? 1) - 1;
  if (left > 0) {
    uses.set(source.revision, left);
    return;
  }
  uses.delete(source.revision);
  for (const { text } of payloads.get(source.revision) ?? []) run.payloadChars -= text.length;
  payloads.delete(source.revision);
};

/** Where entries of nodes are counted: in a container, or in one slot of it where keys say which. `''`: in the run itself. */
export const placeKey = (parent: StepKey | null, item: number | null): string => {
  if (parent === null) return '';
  return item === null ? parent : `${parent}.${item}`;
};

/** Counts an entry of a node in its place. */
export const countEntry = (run: RunState, { parent, slot, name }: StepState): void => {
  const container = parent === null ? undefined : run.steps.get(parent);
  const item = container !== undefined && NODE_KINDS[container.kind].numbersSlots ? slot : null;
  const place = placeKey(parent, item);
  let counts = run.entries.get(place);
  if (counts === undefined) run.entries.set(place, (counts = new NotedMap()));
  counts.set(name, (counts.get(name) ?? 0) + 1);
};

/** The token of its scope has left it. */
export const forgetStep = (run: RunState, key: StepKey): void => {
  const step = run.steps.get(key);
  if (step === undefined) return;
  forgetSlots(run, step);
  for (const source of [step.inputRef, step.outputRef, step.items]) release(run, source);
  run.steps.delete(key);
  run.entries.delete(key);
  run.duesMovedAt?.delete(key);
};

/** A container has ended: of what was in it nothing is needed any more. */
export const forgetSlots = (run: RunState, { key, kind, slots }: StepState): void => {
  if (slots === null) return;
  noteFields(slots);
  for (const slot of slots.open) forgetSlot(run, { key, kind }, slot);
  slots.open.clear();
  for (const output of slots.outputs) release(run, output);
  slots.outputs = [];
};

/** Where its token ended, or was when its container did. */
export const forgetSlot = (run: RunState, { key, kind }: Pick<StepState, 'key' | 'kind'>, slot: number): void => {
  const scope = slotKey(key, slot);
  const last = run.tokens.get(scope) ?? null;
  if (last !== null) forgetStep(run, last);
  run.tokens.delete(scope);
  if (NODE_KINDS[kind].numbersSlots) run.entries.delete(placeKey(key, slot));
};

/** Whether a step has ended, be it forgotten; one that was not entered, and cannot be any more, has too. */
export const hasStepEnded = (run: Run, key: StepKey): boolean => {
  const step = run.steps.get(key);
  if (step !== undefined) return isStepEnded(step);
  const { container, item, name, entry } = stepKeyParts(key);
  if (container !== null) {
    const outer = run.steps.get(container);
    if (outer === undefined) return hasStepEnded(run, container);
    if (isStepEnded(outer)) return true;
    if (item !== null && outer.slots !== null && item < outer.slots.opened && !outer.slots.open.has(item)) return true;
  }
  return (run.entries.get(placeKey(container, item))?.get(name) ?? 0) >= entry;
};

/** The step that the token of this one's scope was at. */
export const leaveBefore = (run: RunState, step: StepState): void => {
  const before = run.tokens.get(scopeOf(step)) ?? null;
  if (before !== null && before !== step.key) forgetStep(run, before);
};
