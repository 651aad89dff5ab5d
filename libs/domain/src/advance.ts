import { cancelOpenSteps, failStep } from './closing.js';
import type { Context } from './commands.js';
import type { RunEvent, StepCompleted, StepEntered, StepKey } from './events.js';
import { toInstant } from './instant.js';
import { arrayBytes, NULL_TEXT, type PayloadRef } from './payload.js';
import type { NodeId, ParallelNode, Plan, PlanNode, ScopeId, StepNode } from './plan.js';
import { isStepEnded, type PayloadSource, type Run, type ScopeKey, type Step } from './run.js';
import { findStepPath } from './step-path.js';
import { missing, unreachable } from './unreachable.js';

/**
 * Moves the first token that needs nothing of the world by one step: into a scope, through a node that does no work,
 * on to the next node, out of a container. Small moves, folded one by one, so that however long a chain of them is,
 * it stops wherever an append is full and goes on from what the events say.
 */
export const advance = (run: Run, context: Context): RunEvent[] => {
  for (const scope of run.obligations.moves) {
    const key = run.tokens.get(scope) ?? null;
    const step = key === null ? undefined : run.steps.get(key);
    if (step === undefined) return enterScope(run, scope, context);
    return isStepEnded(step) ? leave(run, step, context) : pass(run, step, context);
  }
  return [];
};

const enterScope = (run: Run, scope: ScopeKey, context: Context): RunEvent[] => {
  const [containerKey = '', branchText] = scope.split('#');
  const container = run.steps.get(containerKey);
  const branch = branchText === undefined ? null : Number(branchText);
  const scopeId = scopeIdOf(context.plan, container, branch);
  const flowing = container === undefined ? runInput(run) : container.inputRef;
  const place = { parent: container?.key ?? null, branch };
  const entry = context.plan.scopes[scopeId]?.entry ?? missing(`scope ${scopeId}`);
  const { fromStep } = run.started;
  if (fromStep === null || !(container === undefined || fromStep.startsWith(`${container.key}.`))) {
    return [enter(entry, place, flowing, context)];
  }
  // On the way to the step where the run begins: what lies before it is not entered, and the branches beside it are skipped.
  const onPath = findStepPath(context.plan, fromStep)?.get(scopeId);
  return onPath === undefined ? [skip(context.plan, entry, place)] : [enter(onPath, place, flowing, context)];
};

const scopeIdOf = (plan: Plan, container: Step | undefined, branch: number | null): ScopeId => {
  if (container === undefined) return 0;
  const node = plan.nodes[container.node];
  if (node?.type === 'sequence') return node.body;
  const scope = node?.type === 'parallel' && branch !== null ? node.branches[branch] : undefined;
  return scope ?? missing(`the scope ${branch ?? ''} of ${container.key}`);
};

const runInput = (run: Run): PayloadSource => ({ revision: 0, pointer: '/input', text: run.started.input });

type Place = { readonly parent: StepKey | null; readonly branch: number | null };

const enter = (id: NodeId, place: Place, flowing: PayloadSource, { plan, atMs }: Context): StepEntered => {
  const node = nodeOf(plan, id);
  const isStep = node.type === 'step';
  const stepMs = isStep ? node.timeouts.stepMs : null;
  return {
    type: 'StepEntered',
    step: place.parent === null ? node.name : `${place.parent}.${node.name}`,
    node: id,
    name: node.name,
    kind: node.type,
    parent: place.parent,
    branch: place.branch,
    branches: node.type === 'parallel' ? node.branches.length : null,
    request: isStep ? requestOf(node) : null,
    deadlineAt: stepMs === null ? null : toInstant(atMs + stepMs),
    input: node.input === null ? refOf(flowing) : { constant: node.input },
  };
};

/** One object a node, however many runs enter it: whoever writes it as text may keep that text by its identity. */
const requests = new WeakMap<StepNode, NonNullable<StepEntered['request']>>();

const requestOf = (node: StepNode): NonNullable<StepEntered['request']> => {
  const known = requests.get(node);
  if (known !== undefined) return known;
  const { method, url, headers, contentType } = node;
  const request = { method, url, headers, contentType };
  requests.set(node, request);
  return request;
};

const skip = (plan: Plan, id: NodeId, place: Place): RunEvent => {
  const node = nodeOf(plan, id);
  const step = place.parent === null ? node.name : `${place.parent}.${node.name}`;
  return { type: 'StepSkipped', step, node: id, name: node.name, kind: node.type, ...place };
};

/** A node that does no work of its own: the token goes through it, or its join is complete. */
const pass = (run: Run, step: Step, { plan, limits }: Context): RunEvent[] => {
  const node = nodeOf(plan, step.node);
  switch (node.type) {
    case 'pass':
    case 'succeed':
      return [complete(run, step, node, refOf(step.inputRef), plan)];
    case 'fail':
      return [failStep(step, { name: node.error, cause: node.cause }, plan)];
    case 'parallel':
      return [join(run, step, node, plan, limits.payloadMaxBytes)];
    case 'step':
    case 'sequence':
      return [];
    default:
      return unreachable(node);
  }
};

const complete = (run: Run, step: Step, node: PlanNode, raw: StepCompleted['output'], plan: Plan): StepCompleted => ({
  type: 'StepCompleted',
  step: step.key,
  endsBranch: step.branch !== null && (node.next === null || endsBySucceed(run, step, plan)),
  output: node.output === null ? raw : { value: node.output },
});

const join = (run: Run, step: Step, node: ParallelNode, plan: Plan, payloadMaxBytes: number): RunEvent => {
  if (node.output !== null) return complete(run, step, node, { value: node.output }, plan);
  switch (node.reduce) {
    case 'none':
      return complete(run, step, node, { value: NULL_TEXT }, plan);
    case 'last': {
      const last = step.branchOutputs.at(-1) ?? null;
      return complete(run, step, node, last === null ? { value: NULL_TEXT } : refOf(last), plan);
    }
    case 'all': {
      const bytes = arrayBytes(step.branchOutputs.map((output) => output?.text ?? NULL_TEXT));
      if (bytes > payloadMaxBytes) {
        const cause = `the outputs of all branches take ${bytes} bytes together, the limit is ${payloadMaxBytes}`;
        return failStep(step, { name: 'Stepwell.PayloadTooLarge', cause }, plan);
      }
      return complete(
        run,
        step,
        node,
        { all: step.branchOutputs.map((output) => (output === null ? null : refOf(output))) },
        plan,
      );
    }
    default:
      return unreachable(node.reduce);
  }
};

/** The token goes on from a step that ended: to the next node, out of its container, or to the end of the run. */
const leave = (run: Run, step: Step, context: Context): RunEvent[] => {
  const { plan } = context;
  if (step.status === 'failed') return propagate(run, step, context);
  const node = nodeOf(plan, step.node);
  const output = step.outputRef ?? step.inputRef;
  if (node.next !== null && !endsBySucceed(run, step, plan)) {
    return [enter(node.next, { parent: step.parent, branch: step.branch }, output, context)];
  }
  const container = step.parent === null ? undefined : run.steps.get(step.parent);
  if (container === undefined) return [{ type: 'RunCompleted', output: refOf(output) }];
  return [complete(run, container, nodeOf(plan, container.node), refOf(output), plan)];
};

/** A failure looks outward: every token below the container it ends is cancelled in the same append. */
const propagate = (run: Run, step: Step, { plan, isUnsent }: Context): RunEvent[] => {
  const error = step.error ?? { name: 'Stepwell.Failed', cause: null };
  const container = step.parent === null ? undefined : run.steps.get(step.parent);
  if (container === undefined) return [{ type: 'RunFailed', step: step.key, error }];
  return [
    ...cancelOpenSteps(run, { below: container.key, reason: `step ${step.key} failed: ${error.name}` }, isUnsent),
    failStep(container, error, plan),
  ];
};

/** `succeed` ends the nearest branch or the run: the sequences around it end with it instead of going on. */
const endsBySucceed = (run: Run, step: Step, plan: Plan): boolean => {
  const node = nodeOf(plan, step.node);
  if (node.type !== 'sequence') return node.type === 'succeed';
  const inner = run.steps.get(run.tokens.get(step.key) ?? '');
  return inner !== undefined && inner.status === 'completed' && endsBySucceed(run, inner, plan);
};

const refOf = (source: PayloadSource): PayloadRef => ({ revision: source.revision, pointer: source.pointer });

const nodeOf = (plan: Plan, id: NodeId): PlanNode => plan.nodes[id] ?? missing(`node ${id} of the plan`);
