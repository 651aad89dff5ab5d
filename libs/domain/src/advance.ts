import { cancelOpenSteps, failRun, failStep } from './closing.js';
import type { Context } from './commands.js';
import type { Evaluation, Operand } from './evaluation.js';
import type { ErrorInfo, RunEvent, StepCompleted, StepEntered, StepKey } from './events.js';
import { expressionsOf, printed } from './expressions/computed.js';
import { isTrue } from './expressions/truth.js';
import { toInstant } from './instant.js';
import { placeKey } from './forgetting.js';
import { evaluated, type Asking, type Told } from './names.js';
import { nodeKindOf } from './nodes/node-kinds.js';
import { isLongerThan, payloadOf, type JsonText, type PayloadRef } from './payload.js';
import { joinedText, RUN_INPUT } from './payloads.js';
import { isComputed, type Expression, type Given, type NodeId, type Plan, type PlanNode } from './plan.js';
import { isStepEnded, type Run, type ScopeKey, type Step } from './run.js';
import { answerRefused, entryRefused } from './run-bounds.js';
import { isBelow, makeStepKey, stepKeyParts } from './step-key.js';
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
  if (isStepEnded(step)) return leave(run, step, moving);
  return step.computes ? begin(run, step, moving) : pass(run, step, moving);
};

const enterScope = (run: Run, scope: ScopeKey, context: Moving): Move => {
  const { plan } = context;
  const container = scope === '' ? null : containerOf(run, scope);
  const slot = container === null ? null : Number(scope.slice(container.key.length + 1));
  const kind = container === null ? null : nodeKindOf(nodeOf(plan, container.node));
  const isOfSlot = container !== null && kind !== null && slot !== null;
  const scopeId = isOfSlot ? kind.scopeOfSlot(nodeOf(plan, container.node), slot) : 0;
  const flowing = isOfSlot ? kind.inputOfSlot(container, slot) : RUN_INPUT;
  const place = { parent: container?.key ?? null, slot, item: isOfSlot && kind.numbersSlots ? slot : null };
  const entry = plan.scopes[scopeId]?.entry ?? missing(`scope ${scopeId}`);
  const { fromStep } = run.started;
  if (fromStep === null || !isBelow(fromStep, container?.key ?? null))
    return enter(run, entry, place, flowing, context);
  // On the way to the step where the run begins: what lies before it is not entered, and the slots beside it are skipped.
  // When they are entered again, the run is past that.
  const onPath = findStepPath(plan, fromStep)?.get(scopeId) ?? null;
  const isPast = entriesOf(run, place, nodeOf(plan, onPath ?? entry).name) > 0;
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

/** `item`: the slot, where keys say which it is. */
type Place = { readonly parent: StepKey | null; readonly slot: number | null; readonly item: number | null };

/** The entry of a step, or the end of a run that may have no more of them. */
const enter = (run: Run, id: NodeId, place: Place, flowing: PayloadRef, context: Moving): Move => {
  const { plan, limits } = context;
  const node = nodeOf(plan, id);
  const step = nextKey(run, place, node.name);
  const refused = entryRefused(run, limits);
  if (refused !== null) return failRun(run, step, refused, context);
  const flowsIn = refOf(flowing);
  if (node.input === null) return [entryOf(node, step, place, flowsIn, context)];
  const given = valueOf(run, node.input, { step, field: 'input', ...place, own: { input: flowsIn } }, context);
  if ('needs' in given) return given.needs;
  if ('refused' in given) return failRun(run, step, given.refused, context);
  if ('value' in given) return [entryOf(node, step, place, given, context)];
  // It is there all the same, so that it can fail: given what flows in.
  const { slot } = place;
  return [entryOf(node, step, place, flowsIn, context), failStep({ key: step, node: id, slot }, given.error, plan)];
};

type Value = { readonly value: JsonText } | { readonly error: ErrorInfo } | { readonly needs: Evaluation };

/** A value within the limits of payloads; `refused`: the run has no room for it. */
const valueOf = (
  run: Run,
  given: Given,
  asking: Asking,
  { told, limits }: Moving,
): Value | { readonly refused: ErrorInfo } => {
  if (!isComputed(given)) return { value: given };
  const known = evaluated(run, { expressions: expressionsOf(given), mode: 'all' }, asking, told);
  if (!('values' in known)) return known;
  const value = printed(given, known.values);
  const refused = answerRefused(run, value, limits);
  if (refused !== null) return { refused };
  if (!isLongerThan(value, limits.payloadMaxBytes)) return { value };
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
    computes: kind.asks(node) !== null,
    request: kind.request(node),
    policy: null,
    deadlineAt: openMs === null ? null : toInstant(atMs + openMs),
    retriesEndAt: attemptsMs === null ? null : toInstant(atMs + attemptsMs),
    input,
  };
};

/** A node entered before in the same place is entered under a key of its own. */
const nextKey = (run: Run, place: Place, name: string): StepKey => keyOf(place, name, entriesOf(run, place, name) + 1);

const entriesOf = ({ entries }: Run, { parent, item }: Place, name: string): number =>
  entries.get(placeKey(parent, item))?.get(name) ?? 0;

const keyOf = ({ parent, item }: Place, name: string, entry: number): StepKey =>
  makeStepKey({ container: parent, item, name, entry });

const skip = (plan: Plan, id: NodeId, place: Place): RunEvent => {
  const { name, type } = nodeOf(plan, id);
  const { parent, slot } = place;
  return { type: 'StepSkipped', step: keyOf(place, name, 1), node: id, name, kind: type, parent, slot };
};

/** What a step needs the values of before it begins. */
const begin = (run: Run, step: Step, context: Moving): Move => {
  const { plan, limits, atMs } = context;
  const node = nodeOf(plan, step.node);
  const kind = nodeKindOf(node);
  const asks = kind.asks(node) ?? missing(`what step ${step.key} computes`);
  const fromSlot = slotOnPath(run, step, plan);
  const asking = { step: step.key, field: 'begin', ...placeOf(step), own: { input: refOf(step.inputRef) } };
  const known = fromSlot === null ? evaluated(run, asks, asking, context.told) : { values: [] };
  if ('needs' in known) return known.needs;
  if ('error' in known) return [failStep(step, known.error, plan)];
  const values = kind.values(node, step, known.values, { atMs, limits, fromSlot });
  if ('error' in values) return [failStep(step, values.error, plan)];
  const { request = null, slots = null, items = null, wait = null } = values;
  const refused = items !== null && 'value' in items ? answerRefused(run, items.value, limits) : null;
  if (refused !== null) return failRun(run, step, refused, context);
  return [{ type: 'ValuesComputed', step: step.key, request, slots, items, wait }];
};

/** On the way to the step where the run begins: the slot that leads there is taken, whatever would be. */
const slotOnPath = (run: Run, { key, node }: Step, plan: Plan): number | null => {
  const { fromStep } = run.started;
  if (fromStep === null || !isBelow(fromStep, key)) return null;
  const path = findStepPath(plan, fromStep);
  const at = nodeOf(plan, node);
  const scope = nodeKindOf(at)
    .scopes(at)
    .find((id) => path?.has(id) === true);
  return scope === undefined ? null : (plan.scopes[scope]?.slot ?? null);
};

const placeOf = ({ parent, slot }: Step): Pick<Place, 'parent' | 'slot'> => ({ parent, slot });

/** A node that waits for nothing more: the token goes through it, its slots are joined, or a further one opens. */
const pass = (run: Run, step: Step, context: Moving): Move => {
  const { plan, limits } = context;
  const node = nodeOf(plan, step.node);
  const kind = nodeKindOf(node);
  const until = kind.until(node);
  // What its inner `succeed` has ended goes on no further.
  const asked = until === null || endsBySucceed(step, plan) ? null : nextSlot(run, step, until, context);
  if (asked !== null) return asked;
  const output = kind.outcome(node, step, limits);
  if ('error' in output) return [failStep(step, output.error, plan)];
  const mapped = node.output === null ? null : mappedOf(run, node.output, { step, output }, context);
  if (mapped !== null && !('value' in mapped)) {
    if ('needs' in mapped) return mapped.needs;
    return 'error' in mapped ? [failStep(step, mapped.error, plan)] : failRun(run, step, mapped.refused, context);
  }
  return [
    {
      type: 'StepCompleted',
      step: step.key,
      endsSlot: step.slot !== null && (node.next === null || endsBySucceed(step, plan)),
      edge: null,
      output,
      mapped: mapped?.value ?? null,
      as: node.as,
    },
  ];
};

/** Whether another slot opens after the last one; `null`: none does. */
const nextSlot = (run: Run, step: Step, until: Expression, { plan, told }: Moving): Move | null => {
  const { opened, left, outputs } = step.slots ?? missing(`the slots of ${step.key}`);
  const output = outputs[opened - 1] ?? missing(`what slot ${opened - 1} of ${step.key} gave`);
  const own = { input: refOf(step.inputRef), output: refOf(output), round: { value: roundText(opened) } };
  const asking = { step: step.key, field: `until${opened}`, parent: step.key, slot: opened - 1, own };
  const known = evaluated(run, { expressions: [until], mode: 'all' }, asking, told);
  if ('needs' in known) return known.needs;
  if ('error' in known) return [failStep(step, known.error, plan)];
  if (isTrue(known.values[0] ?? null)) return null;
  if (left > 0) return [{ type: 'SlotOpened', step: step.key, slot: opened }];
  const cause = `it did not come to its end in ${opened} rounds`;
  return [failStep(step, { name: 'Stepwell.TooManyRounds', cause }, plan)];
};

const roundText = (round: number): JsonText => payloadOf(String(round));

type Ended = { readonly step: Step; readonly output: StepCompleted['output'] };

const mappedOf = (run: Run, given: Given, { step, output }: Ended, context: Moving): ReturnType<typeof valueOf> => {
  const own = { input: refOf(step.inputRef), output: operandOf(run, output) };
  return valueOf(run, given, { step: step.key, field: 'output', ...placeOf(step), own }, context);
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
  if (next === null || endsBySucceed(step, plan)) return completeRun(run, step, refOf(output), context);
  return enter(run, next, { ...placeOf(step), item: stepKeyParts(step.key).item }, output, context);
};

/** At the step that was its last. */
const completeRun = (run: Run, step: Step, output: PayloadRef, context: Moving): Move => {
  const { plan } = context;
  if (plan.output === null) return [{ type: 'RunCompleted', output, mapped: null }];
  const own = { input: RUN_INPUT, output };
  const mapped = valueOf(run, plan.output, { step: step.key, field: 'run', ...ROOT, own }, context);
  if ('needs' in mapped) return mapped.needs;
  if ('value' in mapped) return [{ type: 'RunCompleted', output, mapped: mapped.value }];
  return failRun(run, step.key, 'error' in mapped ? mapped.error : mapped.refused, context);
};

const ROOT = { parent: null, slot: null };

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
const endsBySucceed = (step: Step, plan: Plan): boolean => {
  const { endsSlot } = nodeKindOf(nodeOf(plan, step.node));
  return endsSlot === 'always' || (endsSlot === 'with-inner' && step.slots?.endedBySucceed === true);
};

const refOf = (source: PayloadRef): PayloadRef => ({ revision: source.revision, pointer: source.pointer });

const nodeOf = (plan: Plan, id: NodeId): PlanNode => plan.nodes[id] ?? missing(`node ${id} of the plan`);
