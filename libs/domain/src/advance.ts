import { cancelOpenSteps, failRun, failStep } from './closing.js';
import type { Context } from './commands.js';
import { valueOf, type Asking, type Told, type Value } from './computed.js';
import type { Evaluation, Names, Operand } from './evaluation.js';
import type { ErrorInfo, RunEvent, StepCompleted, StepEntered, StepKey } from './events.js';
import { toInstant } from './instant.js';
import { nodeKindOf } from './nodes/node-kinds.js';
import { isLongerThan, type PayloadRef } from './payload.js';
import { joinedText } from './payloads.js';
import { isComputed, type Given, type NodeId, type Plan, type PlanNode } from './plan.js';
import { isStepEnded, scopeOf, slotKey, type PayloadSource, type Run, type ScopeKey, type Step } from './run.js';
import { answerRefused, entryRefused } from './run-bounds.js';
import { isBelow, makeStepKey } from './step-key.js';
import { findStepPath } from './step-path.js';
import { missing } from './unreachable.js';

/** What a move is made with, beside the context: the evaluation that it waited for. */
type Moving = Context & { readonly told: Told | null };

/** What is decided of a move: events, or what it needs first. */
type Move = readonly RunEvent[] | Evaluation;

/**
 * Moves the token of a scope by one step, when that needs nothing of the world: into the scope, through a node that does no work,
 * on to the next node, out of a container. Small moves, folded one by one, so that however long a chain of them is, it stops
 * wherever an append is full and goes on from what the events say. Or says what the move needs first; `told` is what that
 * came to.
 */
export const advance = (run: Run, scope: ScopeKey, context: Context, told: Told | null = null): Move => {
  if (!run.obligations.moves.has(scope)) return [];
  const moving = { ...context, told };
  const key = run.tokens.get(scope) ?? null;
  if (key === null) return enterScope(run, scope, moving);
  const step = run.steps.get(key) ?? missing(`step ${key}, where the token of ${scope} is,`);
  return isStepEnded(step) ? leave(run, step, moving) : pass(run, step, moving);
};

const enterScope = (run: Run, scope: ScopeKey, context: Moving): Move => {
  const { plan } = context;
  const container = scope === '' ? null : containerOf(run, scope);
  const slot = container === null ? null : Number(scope.slice(container.key.length + 1));
  const node = container === null ? null : nodeOf(plan, container.node);
  const scopeId = node === null || slot === null ? 0 : nodeKindOf(node).scopeOfSlot(node, slot);
  const flowing = container === null ? runInput(run) : container.inputRef;
  const place = { parent: container?.key ?? null, slot };
  const entry = plan.scopes[scopeId]?.entry ?? missing(`scope ${scopeId}`);
  const { fromStep } = run.started;
  if (fromStep === null || !isBelow(fromStep, container?.key ?? null))
    return enter(run, entry, place, flowing, context);
  // On the way to the step where the run begins: what lies before it is not entered, and the slots beside it are skipped.
  // When they are entered again, the run is past that.
  const onPath = findStepPath(plan, fromStep)?.get(scopeId) ?? null;
  const isPast = run.steps.has(keyOf(place.parent, nodeOf(plan, onPath ?? entry).name, 1));
  if (isPast) return enter(run, entry, place, flowing, context);
  return onPath === null ? [skip(plan, entry, place)] : enter(run, onPath, place, flowing, context);
};

/** A scope that is no open slot of a container is a bug: it is not taken for another. */
const containerOf = (run: Run, scope: ScopeKey): Step => {
  const at = scope.lastIndexOf('#');
  const container = at === -1 ? undefined : run.steps.get(scope.slice(0, at));
  return container !== undefined && isOpened(container, Number(scope.slice(at + 1)))
    ? container
    : missing(`the container of scope ${scope}`);
};

const isOpened = ({ slots }: Step, slot: number): boolean => slots !== null && slot >= 0 && slot < slots.opened;

const runInput = (run: Run): PayloadSource => ({ revision: 0, pointer: '/input', text: run.started.input });

type Place = { readonly parent: StepKey | null; readonly slot: number | null };

/** The entry of a step, or the end of a run that may have no more of them. */
const enter = (run: Run, id: NodeId, place: Place, flowing: PayloadSource, context: Moving): Move => {
  const node = nodeOf(context.plan, id);
  const step = nextKey(run, place.parent, node.name);
  const refused = entryRefused(run, context.limits);
  if (refused !== null) return failRun(run, step, refused, context);
  const flowsIn = refOf(flowing);
  if (node.input === null) return [entryOf(node, step, place, flowsIn, context)];
  const scope = scopeOf(place);
  const asking = { step, field: 'input', scope, at: run.tokens.get(scope) ?? null, names: () => ({ input: flowsIn }) };
  const given = computedIn(run, node.input, asking, context);
  if ('needs' in given) return given.needs;
  if ('refused' in given) return failRun(run, step, given.refused, context);
  if ('value' in given) return [entryOf(node, step, place, given, context)];
  // It is there all the same, so that it can fail: given what flows in.
  return [
    entryOf(node, step, place, flowsIn, context),
    failStep({ ...place, key: step, node: id }, given.error, context.plan),
  ];
};

/** A value within the limits of payloads; `refused`: the run has no room for it. */
const computedIn = (
  run: Run,
  given: Given,
  asking: Asking,
  { told, limits }: Moving,
): Value | { readonly refused: ErrorInfo } => {
  const computed = valueOf(given, asking, told);
  if (!isComputed(given) || !('value' in computed)) return computed;
  const refused = answerRefused(run, computed.value, limits);
  if (refused !== null) return { refused };
  if (!isLongerThan(computed.value, limits.payloadMaxBytes)) return computed;
  const cause = `what was computed takes more than ${limits.payloadMaxBytes} bytes`;
  return { error: { name: 'Stepwell.PayloadTooLarge', cause } };
};

const entryOf = (
  node: PlanNode,
  step: StepKey,
  place: Place,
  input: StepEntered['input'],
  { plan, atMs }: Context,
): StepEntered => {
  const kind = nodeKindOf(node);
  const { openMs, attemptsMs } = kind.limits(node, plan);
  return {
    type: 'StepEntered',
    step,
    node: node.id,
    name: node.name,
    kind: node.type,
    parent: place.parent,
    slot: place.slot,
    slots: kind.slots(node),
    request: kind.request(node),
    policy: null,
    deadlineAt: openMs === null ? null : toInstant(atMs + openMs),
    retriesEndAt: attemptsMs === null ? null : toInstant(atMs + attemptsMs),
    input,
  };
};

/** A node entered before in the same place is entered under a key of its own. */
const nextKey = (run: Run, container: StepKey | null, name: string): StepKey => {
  const first = keyOf(container, name, 1);
  return run.steps.has(first) ? keyOf(container, name, (run.entries?.get(first) ?? 1) + 1) : first;
};

const keyOf = (container: StepKey | null, name: string, entry: number): StepKey =>
  makeStepKey({ container, item: null, name, entry });

const skip = (plan: Plan, id: NodeId, place: Place): RunEvent => {
  const node = nodeOf(plan, id);
  const step = keyOf(place.parent, node.name, 1);
  return { type: 'StepSkipped', step, node: id, name: node.name, kind: node.type, ...place };
};

/** A node that waits for nothing more: the token goes through it, or its slots are joined. */
const pass = (run: Run, step: Step, context: Moving): Move => {
  const { plan, limits } = context;
  const node = nodeOf(plan, step.node);
  const output = nodeKindOf(node).outcome(node, step, limits);
  if ('error' in output) return [failStep(step, output.error, plan)];
  const mapped = node.output === null ? null : mapperOf(run, node.output, { step, output }, context);
  if (mapped !== null && !('value' in mapped)) {
    if ('needs' in mapped) return mapped.needs;
    return 'error' in mapped ? [failStep(step, mapped.error, plan)] : failRun(run, step, mapped.refused, context);
  }
  return [
    {
      type: 'StepCompleted',
      step: step.key,
      endsSlot: step.slot !== null && (node.next === null || endsBySucceed(run, step, plan)),
      edge: null,
      output,
      mapped: mapped?.value ?? null,
    },
  ];
};

type Ended = { readonly step: Step; readonly output: StepCompleted['output'] };

const mapperOf = (run: Run, given: Given, { step, output }: Ended, context: Moving): ReturnType<typeof computedIn> => {
  const scope = scopeOf(step);
  const names = (): Names => ({ input: refOf(step.inputRef), output: operandOf(run, output) });
  return computedIn(run, given, { step: step.key, field: 'output', scope, at: step.key, names }, context);
};

const operandOf = ({ payloads }: Run, output: StepCompleted['output']): Operand =>
  'all' in output ? { value: joinedText(payloads, output.all) } : output;

/** The token goes on from a step that ended: to the next node, or to the end of the run. One that ended its slot has none. */
const leave = (run: Run, step: Step, context: Moving): Move => {
  const { plan } = context;
  if (step.status === 'failed') return propagate(run, step, context);
  const node = nodeOf(plan, step.node);
  const output = step.outputRef ?? step.inputRef;
  const next = step.edge === null ? node.next : step.edge.next;
  if (next === null || endsBySucceed(run, step, plan)) return [{ type: 'RunCompleted', output: refOf(output) }];
  return enter(run, next, { parent: step.parent, slot: step.slot }, output, context);
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

/** `succeed` ends the nearest slot or the run: the sequences around it end with it instead of going on. */
const endsBySucceed = (run: Run, step: Step, plan: Plan): boolean => {
  const { endsSlot } = nodeKindOf(nodeOf(plan, step.node));
  if (endsSlot !== 'with-inner') return endsSlot === 'always';
  const inner = run.steps.get(run.tokens.get(slotKey(step.key, 0)) ?? '');
  return inner !== undefined && inner.status === 'completed' && endsBySucceed(run, inner, plan);
};

const refOf = (source: PayloadSource): PayloadRef => ({ revision: source.revision, pointer: source.pointer });

const nodeOf = (plan: Plan, id: NodeId): PlanNode => plan.nodes[id] ?? missing(`node ${id} of the plan`);
