import type { StepKey } from './events.js';
import { nodeKindOf } from './nodes/node-kinds.js';
import { makeStepKey } from './step-key.js';
import type { NodeId, Plan, ScopeId } from './plan.js';

/** The node to enter in each scope on the way from the root to a step, or `null` when the plan has no such step. */
export type StepPath = ReadonlyMap<ScopeId, NodeId>;

/** Finds a step by the key of its first entry. */
export const findStepPath = (plan: Plan, key: StepKey): StepPath | null => {
  const path = new Map<ScopeId, NodeId>();
  let scopes: readonly ScopeId[] = [0];
  for (const name of key.split('.')) {
    const node = plan.nodes.find((candidate) => candidate.name === name && scopes.includes(candidate.scope));
    if (node === undefined) return null;
    path.set(node.scope, node.id);
    // A step of an item has no key without the item's number, and which items there are is known when they are entered.
    scopes = nodeKindOf(node).numbersSlots ? [] : nodeKindOf(node).scopes(node);
  }
  return path;
};

/** Every step key of a plan, in the order of its nodes. */
export const stepKeys = (plan: Plan): readonly StepKey[] => plan.nodes.map((node) => keyOf(plan, node.id));

const keyOf = (plan: Plan, id: NodeId): StepKey => {
  const node = plan.nodes[id];
  if (node === undefined) return '';
  const container = plan.scopes[node.scope]?.container ?? null;
  return makeStepKey({
    container: container === null ? null : keyOf(plan, container),
    item: null,
    name: node.name,
    entry: 1,
  });
};
