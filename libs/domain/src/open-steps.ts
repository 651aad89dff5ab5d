import type { StepKey } from './events.js';
import { isStepEnded, slotKey, type ScopeKey, type Slots } from './run.js';

type Tree<Step> = {
  readonly tokens: ReadonlyMap<ScopeKey, StepKey | null>;
  readonly steps: ReadonlyMap<StepKey, Step>;
};
type Node = { readonly key: StepKey; readonly status: string; readonly slots: Pick<Slots, 'open'> | null };

/**
 * The open steps below a container, or of the whole run (`null`), each before those in it. What has ended is not looked at,
 * however much that is. A step may be ended while it is visited.
 */
export function* openSteps<Step extends Node>(run: Tree<Step>, below: StepKey | null): Generator<Step> {
  if (below === null) yield* openIn(run, '');
  else yield* openInSlots(run, run.steps.get(below));
}

function* openIn<Step extends Node>(run: Tree<Step>, scope: ScopeKey): Generator<Step> {
  const step = run.steps.get(run.tokens.get(scope) ?? '');
  if (step === undefined) return;
  if (!isStepEnded(step)) yield step;
  // A container that has failed a moment ago may hold open steps still.
  yield* openInSlots(run, step);
}

function* openInSlots<Step extends Node>(run: Tree<Step>, container: Step | undefined): Generator<Step> {
  if (container === undefined || container.slots === null) return;
  for (const slot of container.slots.open) yield* openIn(run, slotKey(container.key, slot));
}
