import type { Plan, Policy } from './plan.js';
import type { Step } from './run.js';
import { missing } from './unreachable.js';

/** The policy that holds for a step. */
export const policyOf = (plan: Plan, step: Step): Policy => {
  const node = plan.nodes[step.node];
  const id = node?.type === 'step' ? node.policy : missing(`step node ${step.node} of the plan`);
  return plan.policies[id] ?? missing(`policy ${id} of the plan`);
};
