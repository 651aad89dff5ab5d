import { cancelOpenSteps, failRun, failStep } from './closing.js';
import type { Context } from './commands.js';
import type { Evaluation, EvaluationResult } from './evaluation.js';
import type { RunEvent, StepCompleted, StepEntered, StepKey } from './events.js';
import { toInstant } from './instant.js';
import { nodeKindOf } from './nodes/node-kinds.js';
import { isLongerThan, type PayloadRef } from './payload.js';
import type { Expression, NodeId, Plan, PlanNode } from './plan.js';
import { isStepEnded, scopeOf, slotKey, type PayloadSource, type Run, type ScopeKey, type Step } from './run.js';
import { answerRefused, entryRefused } from './run-bounds.js';
import { isBelow, makeStepKey } from './step-key.js';
import { findStepPath } from './step-path.js';
import { missing } from './unreachable.js';

/**
 * Moves the token of a scope by one step, when that needs nothing of the world: into the scope, through a node that does no work,
 * on to the next node, out of a container. Small moves, folded one by one, so that however long a chain of them is, it stops
 * wherever an append is full and goes on from what the events say. Or says what the move needs first.
 */
export const advance = (run: Run, scope: ScopeKey, context: Context): readonly RunEvent[] | Evaluation => {
  if (!run.obligations.moves.has(scope)) return [];
  const key = run.tokens.get(scope) ?? null;
  if (key === null) return enterScope(run, scope, context);
  const step = run.steps.get(key) ?? missing(`step ${key}, where the token of ${scope} is,`);
  return isStepEnded(step) ? leave(run, step, context) : pass(run, step, context);
};

/** Moves it with what its evaluation came to; `null`: its move does not need that, or not any more. */
export const advanceWith = (
  run: Run,
  { scope, id, result }: { readonly scope: ScopeKey; readonly id: string; readonly result: EvaluationResult },
  context: Context,
): RunEvent[] | null => {
  const needed = advance(run, scope, context);
  if (!('id' in needed) || needed.id !== id) return null;
  const { plan, limits } = context;
  const step = run.steps.get(needed.step) ?? missing(`step ${needed.step}`);
  if ('error' in result) return [failStep(step, result.error, plan)];
  const { value } = result;
  const refused = answerRefused(run, value, limits);
  if (refused !== null) return failRun(run, step.key, refused, context);
  if (!isLongerThan(value, limits.payloadMaxBytes)) return [complete(run, step, nodeOf(plan, step.node), result, plan)];
  const cause = `what was computed takes more than ${limits.payloadMaxBytes} bytes`;
  return [failStep(step, { name: 'Stepwell.PayloadTooLarge', cause }, plan)];
};

const enterScope = (run: Run, scope: ScopeKey, context: Context): RunEvent[] => {
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
const enter = (run: Run, id: NodeId, place: Place, flowing: PayloadSource, context: Context): RunEvent[] => {
  const node = nodeOf(context.plan, id);
  const step = nextKey(run, place.parent, node.name);
  const refused = entryRefused(run, context.limits);
  return refused === null ? [entryOf(node, step, place, flowing, context)] : failRun(run, step, refused, context);
};

const entryOf = (
  node: PlanNode,
  step: StepKey,
  place: Place,
  flowing: PayloadSource,
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
    input: node.input === null ? refOf(flowing) : { value: node.input },
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
const pass = (run: Run, step: Step, { plan, limits }: Context): RunEvent[] | Evaluation => {
  const node = nodeOf(plan, step.node);
  const outcome = nodeKindOf(node).outcome(node, step, limits);
  if ('needs' in outcome) return evaluationOf(step, outcome.needs);
  return ['error' in outcome ? failStep(step, outcome.error, plan) : complete(run, step, node, outcome, plan)];
};

/** Named by its step: no step needs more than one, and no key is used twice. */
const evaluationOf = (step: Step, expression: Expression): Evaluation => ({
  id: `${step.key}:output`,
  scope: scopeOf(step),
  step: step.key,
  expression,
  inputs: { input: refOf(step.inputRef) },
});

const complete = (run: Run, step: Step, node: PlanNode, raw: StepCompleted['output'], plan: Plan): StepCompleted => ({
  type: 'StepCompleted',
  step: step.key,
  endsSlot: step.slot !== null && (node.next === null || endsBySucceed(run, step, plan)),
  edge: null,
  output: node.output === null ? raw : { value: node.output },
});

/** The token goes on from a step that ended: to the next node, or to the end of the run. One that ended its slot has none. */
const leave = (run: Run, step: Step, context: Context): RunEvent[] => {
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
