import type { Context, IsUnsent } from './commands.js';
import type { ErrorInfo, FailureClass, RunEvent, StepCancelled, StepFailed, StepKey } from './events.js';
import { nodeKindOf } from './nodes/node-kinds.js';
import type { Plan } from './plan.js';
import { openSteps } from './open-steps.js';
import type { Run, Step } from './run.js';
import { isBelow } from './step-key.js';

/** The failure of a step; in a container that goes on after errors, it also ends its slot. */
export const failStep = (step: Pick<Step, 'key' | 'node' | 'slot'>, error: ErrorInfo, plan: Plan): StepFailed => ({
  type: 'StepFailed',
  step: step.key,
  error,
  endsSlot: step.slot !== null && goesOn(step, plan),
});

const goesOn = (step: Pick<Step, 'node'>, plan: Plan): boolean => {
  const container = plan.scopes[plan.nodes[step.node]?.scope ?? 0]?.container ?? null;
  const node = container === null ? undefined : plan.nodes[container];
  return node !== undefined && nodeKindOf(node).goesOn(node);
};

/** Of the list of attempts in an event that must fit one append, with all that is decided with it. */
const ATTEMPTS_BYTES_MAX = 512 * 1024;
/** Of an attempt, what stands around the step's key. */
const ATTEMPT_BYTES = 80;

/** Which steps are ended: all below a container, or of the whole run; `spared` is ended by an event of its own. */
export type Ended = { readonly below: StepKey | null; readonly spared?: StepKey; readonly reason: string };

/** Ends every such step that is open, attempts in flight included. At most one event. */
export const cancelOpenSteps = (run: Run, { below, spared, reason }: Ended, isUnsent: IsUnsent): RunEvent[] => {
  if (!isAnyOpen(run, below, spared)) return [];
  const attempts: StepCancelled['attempts'][number][] = [];
  let bytes = 0;
  for (const step of run.obligations.inFlight.keys()) {
    const attempt = run.steps.get(step)?.attempts.at(-1)?.number;
    if (attempt === undefined || step === spared || !isBelow(step, below)) continue;
    bytes += step.length + ATTEMPT_BYTES;
    if (bytes > ATTEMPTS_BYTES_MAX) break;
    attempts.push({ step, attempt, class: classOf(step, attempt, isUnsent) });
  }
  return [{ type: 'StepCancelled', below, reason, attempts }];
};

const isAnyOpen = (run: Run, below: StepKey | null, spared?: StepKey): boolean => {
  for (const { key } of openSteps(run, below)) if (key !== spared) return true;
  return false;
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
