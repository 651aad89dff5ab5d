import type { ErrorInfo, RunEvent, StepFailed, StepKey } from './events.js';
import type { Plan } from './plan.js';
import { isStepEnded, type Run, type Step } from './run.js';

/** The failure of a step; inside a parallel that goes on after errors, it also ends its branch. */
export const failStep = (step: Step, error: ErrorInfo, plan: Plan): StepFailed => ({
  type: 'StepFailed',
  step: step.key,
  error,
  endsBranch: step.branch !== null && goesOn(step, plan),
});

const goesOn = (step: Step, plan: Plan): boolean => {
  const container = plan.scopes[plan.nodes[step.node]?.scope ?? 0]?.container ?? null;
  const node = container === null ? undefined : plan.nodes[container];
  return node?.type === 'parallel' && node.onError === 'continue';
};

/**
 * Ends every open step below a container (`null`: of the whole run), attempts in flight included; `spared` is ended by an
 * event of its own. At most one event.
 */
export const cancelOpenSteps = (
  run: Run,
  below: StepKey | null,
  reason: string,
  spared: StepKey | null = null,
): RunEvent[] => {
  const steps: { step: StepKey; attempt: number | null }[] = [];
  for (const step of run.steps.values()) {
    if (isStepEnded(step) || step.key === spared || !isBelow(run, step, below)) continue;
    const last = step.attempts.at(-1);
    steps.push({ step: step.key, attempt: last?.outcome === 'running' ? last.number : null });
  }
  return steps.length === 0 ? [] : [{ type: 'StepCancelled', reason, steps }];
};

const isBelow = (run: Run, step: Step, container: StepKey | null): boolean => {
  if (container === null) return true;
  for (let parent = step.parent; parent !== null; parent = run.steps.get(parent)?.parent ?? null) {
    if (parent === container) return true;
  }
  return false;
};
