import type { NodeId, Plan, Policy, PolicyId } from './plan.js';
import type { Step } from './run.js';
import { missing } from './unreachable.js';

/** The policy that holds for a step. */
export const policyOf = (plan: Plan, step: Step): Policy => {
  const id = step.policy ?? nodePolicy(plan, step.node);
  return plan.policies[id] ?? missing(`policy ${id} of the plan`);
};

const nodePolicy = (plan: Plan, id: NodeId): PolicyId => {
  const node = plan.nodes[id];
  return node?.type === 'step' ? node.policy : missing(`step node ${id} of the plan`);
};
