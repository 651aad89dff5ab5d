import type { FailAttempt, Grant, RunCommand, StartRun } from '../commands.js';
import { ANY, type Precondition } from '../precondition.js';
import type {
  AttemptFailed,
  DuesMoved,
  ErrorInfo,
  FailureClass,
  RunEvent,
  RunStarted,
  StepCompleted,
  StepEntered,
  StepKey,
} from '../events.js';
import { toInstant } from '../instant.js';
import type { JsonText, PayloadRef } from '../payload.js';
import { stepKeyParts } from '../step-key.js';
import { nodeKindOf } from '../nodes/node-kinds.js';
import type { Plan, PlanNode } from '../plan.js';
import { json } from './tree-plans.js';

/** When every test history begins. */
export const T0 = Date.UTC(2026, 0, 1);
/** The instant so many milliseconds after the beginning. */
export const after = (ms: number): string => toInstant(T0 + ms);

const IDENTITY = {
  id: 'run-1',
  key: 'order-7',
  workflow: 'orders',
  version: 3,
  plan: 'ab'.repeat(32),
  namespace: 'default',
  queue: 'default',
  tags: { team: 'growth' },
  correlationId: null,
  requestor: null,
  fingerprint: 'f1',
  fromStep: null,
  variables: json({}),
  input: json({ order: 7 }),
} as const;

export const GRANT: Grant = { dispatcher: 'd-1', boot: 'boot-1' };
export const RUN_INPUT: PayloadRef = { revision: 0, pointer: '/input' };
/** The answer or value that the event of this revision stores. */
export const outputOf = (revision: number): PayloadRef => ({ revision, pointer: '/output' });
/** What the completion of this revision lets flow on instead of the output. */
export const mappedOf = (revision: number): PayloadRef => ({ revision, pointer: '/mapped' });
/** The array of what the references lead to that the join of this revision stores. */
export const joinOf = (revision: number): PayloadRef => ({ revision, pointer: '/outputRefs' });
/** The constant that the entry at this revision stores. */
export const inputOf = (revision: number): PayloadRef => ({ revision, pointer: '/input' });
export const HTTP_503: ErrorInfo = { name: 'HTTP.503', cause: 'overloaded' };

// Commands

export const startRun = (fields: Partial<StartRun> = {}): StartRun => ({
  type: 'StartRun',
  ...IDENTITY,
  timeoutMs: null,
  ...fields,
});
/** Of the root, or, given and when, of the first scope that can move. */
export const ADVANCE: RunCommand = { type: 'Advance', scope: '' };
export const WAKE_UP: RunCommand = { type: 'WakeUp' };
export const startAttempt = (step: StepKey, grant = GRANT): RunCommand => ({ type: 'StartAttempt', step, grant });
export const completeAttempt = (step: StepKey, attempt: number, output: unknown = null): RunCommand => ({
  type: 'CompleteAttempt',
  step,
  attempt,
  status: 200,
  output: json(output),
});
export const failAttempt = (step: StepKey, attempt: number, fields: Partial<FailAttempt> = {}): RunCommand => ({
  type: 'FailAttempt',
  step,
  attempt,
  class: 'may-have-executed',
  retryable: true,
  status: 503,
  error: HTTP_503,
  body: null,
  retryAfterMs: null,
  jitter: 0,
  ...fields,
});
export const cancelRun = (reason: string | null = null, precondition: Precondition = ANY): RunCommand => ({
  type: 'CancelRun',
  reason,
  precondition,
});

// Events

export const started = (fields: Partial<RunStarted> = {}): RunStarted => ({
  type: 'RunStarted',
  ...IDENTITY,
  timeoutAt: null,
  ...fields,
});
/** The entry of a step of this plan, as the plan has it; what flows in and what else is said are the test's. */
export const entering =
  (plan: Plan) =>
  (step: StepKey, input: StepEntered['input'] = RUN_INPUT, fields: Partial<StepEntered> = {}): StepEntered => {
    const { container } = stepKeyParts(step);
    const first = step.replaceAll(/~\d+/g, '');
    const node = plan.nodes.find((candidate) => keyOf(plan, candidate.id) === first);
    if (node === undefined) throw new Error(`the plan of this test has no step ${step}`);
    return {
      type: 'StepEntered',
      step,
      node: node.id,
      name: node.name,
      kind: node.type,
      parent: container,
      slot: plan.scopes[node.scope]?.slot ?? null,
      slots: slotsOf(node),
      request:
        node.type === 'step'
          ? { method: node.method, url: node.url, headers: node.headers, contentType: node.contentType }
          : null,
      computes: nodeKindOf(node).asks(node) !== null,
      policy: null,
      deadlineAt: null,
      retriesEndAt: null,
      input,
      ...fields,
    };
  };

const slotsOf = (node: PlanNode): StepEntered['slots'] => {
  if (node.type === 'sequence') return { count: 1, window: 1 };
  if (node.type === 'repeat') return { count: node.atMost, window: 1 };
  return node.type === 'parallel' ? { count: node.branches.length, window: node.branches.length } : null;
};

const keyOf = (plan: Plan, id: number): StepKey => {
  const node = plan.nodes[id];
  const container = plan.scopes[node?.scope ?? 0]?.container ?? null;
  return container === null ? `${node?.name}` : `${keyOf(plan, container)}.${node?.name}`;
};

export const attemptStarted = (step: StepKey, attempt: number, grant = GRANT): RunEvent => ({
  type: 'AttemptStarted',
  step,
  attempt,
  ...grant,
});
export const attemptSucceeded = (step: StepKey, attempt: number, output: unknown = null): RunEvent => ({
  type: 'AttemptSucceeded',
  step,
  attempt,
  status: 200,
  output: json(output),
});
export const attemptFailed = (
  step: StepKey,
  attempt: number,
  retryAt: string | null,
  fields: Partial<AttemptFailed> = {},
): AttemptFailed => ({
  type: 'AttemptFailed',
  step,
  attempt,
  class: 'may-have-executed',
  status: 503,
  error: HTTP_503,
  body: null,
  retryAt,
  interrupted: false,
  ...fields,
});
export const outcomeUnknown = (step: StepKey, attempt: number): RunEvent => ({
  type: 'AttemptOutcomeUnknown',
  step,
  attempt,
});
export const completed = (
  step: StepKey,
  output: StepCompleted['output'],
  endsSlot = false,
  { edge = null, mapped = null, as = null }: Partial<Pick<StepCompleted, 'edge' | 'mapped' | 'as'>> = {},
): RunEvent => ({
  type: 'StepCompleted',
  step,
  endsSlot,
  edge,
  output,
  mapped,
  as,
});
export const failed = (step: StepKey, error: ErrorInfo, endsSlot = false): RunEvent => ({
  type: 'StepFailed',
  step,
  error,
  endsSlot,
});
/** `attempts`: `[key, attempt in flight]`, which may have executed unless a class is given. */
export const cancelled = (
  below: StepKey | null,
  reason: string,
  ...attempts: readonly (readonly [StepKey, number, FailureClass?])[]
): RunEvent => ({
  type: 'StepCancelled',
  below,
  reason,
  attempts: attempts.map(([step, attempt, of = 'may-have-executed']) => ({ step, attempt, class: of })),
});
export const duesMoved = (moved: Partial<Omit<DuesMoved, 'type'>>): RunEvent => ({
  type: 'DuesMoved',
  retries: [],
  deadlines: [],
  waits: [],
  timeoutAt: null,
  ...moved,
});
export const runCompleted = (output: PayloadRef, mapped: JsonText | null = null): RunEvent => ({
  type: 'RunCompleted',
  output,
  mapped,
});
export const runFailed = (step: StepKey, error: ErrorInfo): RunEvent => ({ type: 'RunFailed', step, error });
