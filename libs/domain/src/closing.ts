import type { Context, IsUnsent } from './commands.js';
import type { ErrorInfo, FailureClass, RunEvent, StepFailed, StepKey } from './events.js';
import { nodeKindOf } from './nodes/node-kinds.js';
import type { Plan } from './plan.js';
import { isStepEnded, type Run, type Step } from './run.js';

/** The failure of a step; in a container that goes on after errors, it also ends its slot. */
export const failStep = (step: Step, error: ErrorInfo, plan: Plan): StepFailed => ({
  type: 'StepFailed',
  step: step.key,
  error,
  endsSlot: step.slot !== null && goesOn(step, plan),
});

const goesOn = (step: Step, plan: Plan): boolean => {
  const container = plan.scopes[plan.nodes[step.node]?.scope ?? 0]?.container ?? null;
  const node = container === null ? undefined : plan.nodes[container];
  return node !== undefined && nodeKindOf(node).goesOn(node);
};

/** Which steps are ended: all below a container, or of the whole run; `spared` is ended by an event of its own. */
export type Ended = { readonly below: StepKey | null; readonly spared?: StepKey; readonly reason: string };

/** Ends every such step that is open, attempts in flight included. At most one event. */
export const cancelOpenSteps = (run: Run, { below, spared, reason }: Ended, isUnsent: IsUnsent): RunEvent[] => {
  const steps: { step: StepKey; attempt: number | null; class: FailureClass | null }[] = [];
  for (const step of run.steps.values()) {
    if (isStepEnded(step) || step.key === spared || !isBelow(run, step, below)) continue;
    const last = step.attempts.at(-1);
    const attempt = last?.outcome === 'running' ? last.number : null;
    steps.push({ step: step.key, attempt, class: attempt === null ? null : classOf(step.key, attempt, isUnsent) });
  }
  return steps.length === 0 ? [] : [{ type: 'StepCancelled', reason, steps }];
};

/**
 * Ends the run at a step, open or not entered yet, past every `onError: continue`: what goes on after this error would go on
 * past the limit.
 */
export const failRun = (run: Run, at: Step | StepKey, error: ErrorInfo, { plan, isUnsent }: Context): RunEvent[] => {
  const reason = error.cause ?? error.name;
  if (typeof at === 'string') {
    return [...cancelOpenSteps(run, { below: null, reason }, isUnsent), { type: 'RunFailed', step: at, error }];
  }
  const others = cancelOpenSteps(run, { below: null, spared: at.key, reason }, isUnsent);
  return [failStep(at, error, plan), ...others, { type: 'RunFailed', step: at.key, error }];
};

/** Of an attempt that is ended by something else than what came of it. */
export const classOf = (step: StepKey, attempt: number, isUnsent: IsUnsent): FailureClass =>
  isUnsent(step, attempt) ? 'not-executed' : 'may-have-executed';

const isBelow = (run: Run, step: Step, container: StepKey | null): boolean => {
  if (container === null) return true;
  for (let parent = step.parent; parent !== null; parent = run.steps.get(parent)?.parent ?? null) {
    if (parent === container) return true;
  }
  return false;
};
