import {
  isContainer,
  isEnded,
  isStepEnded,
  type Attempt,
  type ErrorInfo,
  type Plan,
  type Run,
  type Step,
  type StepKey,
} from '#domain';
import type { RunId, Wait } from '#engine';
import { sha256Hex, stepIdempotencyKey } from '#runtime';
import { PayloadTexts, requireShowable, type RunView, type ShownPayload } from './payload-json.js';
import { pendingText, planChildren, requestText } from './pending-json.js';
import { hashOf } from './run-id.js';
import { errorText, instantText, textOrNull, waitingText } from './waiting-json.js';

/**
 * A run as the JSON text of the API. Assembled from stored payload text: no payload is parsed or serialised again, and a
 * run of three steps takes some microseconds. `slim` shows the steps that were entered, `full` those that may still come too.
 * `output`: whether the run's own is whole, however long. Throws the problem when the run does not fit into one document.
 */
export const runText = (
  run: Run,
  plan: Plan,
  waits: readonly Wait[],
  view: RunView = 'full',
  output: 'cut' | 'whole' = 'cut',
): string => {
  const { started, outputRef } = run;
  const payloads = new PayloadTexts(view, started.id);
  const input = { revision: 0, pointer: '/input', text: started.input };
  const variables = { revision: 0, pointer: '/variables', text: started.variables };
  const result = run.output === null || outputRef === null ? null : { ...outputRef, text: run.output };
  return (
    `{"id":"${started.id}` +
    `","key":${textOrNull(started.key)}` +
    `,"workflow":${textOrNull(started.workflow)}` +
    `,"version":${JSON.stringify(started.version)}` +
    // Names, of letters, digits, "_" and "-" alone.
    `,"namespace":"${started.namespace}"` +
    `,"queue":"${started.queue}"` +
    `,"tags":${JSON.stringify(started.tags)}` +
    `,"variables":${payloads.ofRun(variables, 'variables')}` +
    `,"correlationId":${textOrNull(started.correlationId)}` +
    `,"requestor":${textOrNull(started.requestor)}` +
    `,"duplicateStarts":{"count":${run.duplicates.count},"refused":${run.duplicates.refused}}` +
    `,"status":"${run.status}` +
    `","reason":${textOrNull(run.reason)}` +
    `,"input":${payloads.ofRun(input, 'input')}` +
    `,"output":${result === null ? 'null' : outputText(result, payloads, output)}` +
    `,"error":${errorText(run.error)}` +
    `,"createdAt":"${run.startedAt}` +
    `","finishedAt":${instantText(run.finishedAt)}` +
    `,"resolved":${run.status === 'completed' || run.status === 'cancelled'}` +
    `,"parent":null,"revision":${run.revision}` +
    `,"waiting":${waitingText(waits)}` +
    `,"steps":${stepsText(run, plan, payloads)}` +
    '}'
  );
};

const outputText = (output: ShownPayload, payloads: PayloadTexts, shown: 'cut' | 'whole'): string =>
  shown === 'whole' ? payloads.whole(output, null, 'output') : payloads.ofRun(output, 'output');

/** One step with its attempts and the steps below it; `null` when the run has not entered it. */
export const stepText = (run: Run, plan: Plan, key: StepKey): string | null => {
  const step = run.steps.get(key);
  if (step === undefined) return null;
  return requireShowable(entered(step, treeOf(run, plan, 'full', new PayloadTexts('full', run.started.id)), true));
};

type Tree = {
  readonly runId: RunId;
  readonly runEnded: boolean;
  readonly plan: Plan;
  readonly view: RunView;
  readonly payloads: PayloadTexts;
  readonly children: ReadonlyMap<StepKey | null, readonly Step[]>;
};

const treeOf = (run: Run, plan: Plan, view: RunView, payloads: PayloadTexts): Tree => ({
  runId: hashOf(run.started.id),
  runEnded: isEnded(run),
  plan,
  view,
  payloads,
  children: childrenByParent(run),
});

const stepsText = (run: Run, plan: Plan, payloads: PayloadTexts): string => {
  // A run that has entered every node has none to come: both views are then the same, and the cheap one is made.
  const reached = payloads.view === 'slim' || run.steps.size >= plan.nodes.length ? 'slim' : 'full';
  return below(null, 0, treeOf(run, plan, reached, payloads), isEnded(run));
};

const childrenByParent = (run: Run): ReadonlyMap<StepKey | null, readonly Step[]> => {
  const children = new Map<StepKey | null, Step[]>();
  for (const step of run.steps.values()) {
    const siblings = children.get(step.parent);
    if (siblings === undefined) children.set(step.parent, [step]);
    else siblings.push(step);
  }
  return children;
};

/** The steps of a container (`null`: the root), `node` being its own; in plan order in the full view, else as entered. */
const below = (parent: StepKey | null, node: number, tree: Tree, ended: boolean): string => {
  const steps = tree.children.get(parent) ?? [];
  let text = '[';
  if (tree.view === 'full') {
    for (const item of belowInPlanOrder(parent, { node, ended }, tree, steps)) text = withItem(text, item);
  } else {
    for (const step of steps) text = withItem(text, entered(step, tree));
  }
  return `${text}]`;
};

/** One after the other, so that what is too large is refused before all of it is made. */
const withItem = (list: string, item: string): string =>
  requireShowable(list === '[' ? list + item : `${list},${item}`);

function* belowInPlanOrder(
  parent: StepKey | null,
  { node, ended }: { readonly node: number; readonly ended: boolean },
  tree: Tree,
  steps: readonly Step[],
): Generator<string> {
  const status = ended ? 'not-reached' : 'pending';
  const byNode = Map.groupBy(steps, (step) => step.node);
  for (const child of planChildren(tree.plan, parent === null ? null : node)) {
    const reached = byNode.get(child.id);
    if (reached === undefined) yield pendingText(child, parent, tree.plan, status);
    else for (const step of reached) yield entered(step, tree);
  }
}

/** `alone`: it is what was asked for, and its own payloads are shown whole. */
const entered = (step: Step, tree: Tree, alone = false): string => {
  const { key, request, attempts, inputRef, outputRef } = step;
  const { payloads } = tree;
  const shown = alone ? 'whole' : 'ofStep';
  const startedAt =
    step.kind === 'step'
      ? attempts.length === 0
        ? null
        : attempts[0]!.startedAt
      : step.status === 'skipped'
        ? null
        : step.enteredAt;
  const texts = request === null ? NO_REQUEST : requestTexts(request);
  return (
    // Names of steps hold no character that JSON would escape.
    `{"key":"${step.key}"` +
    `,"name":"${step.name}"` +
    `,"type":"${step.kind}` +
    `","status":"${step.status}` +
    `","input":${payloads[shown](inputRef, key, 'input')}` +
    `,"output":${outputRef === null ? 'null' : payloads[shown](outputRef, key, 'output')}` +
    `,"error":${errorText(shownError(step))}` +
    `,"enteredAt":"${step.enteredAt}` +
    `","startedAt":${instantText(startedAt)}` +
    `,"finishedAt":${instantText(step.finishedAt)}` +
    `,"idempotencyKey":${step.kind === 'step' ? `"${stepIdempotencyKey(tree.runId, step.key)}"` : 'null'}` +
    `,"request":${texts.request}` +
    `,"attempts":${attempts.length === 0 ? '[]' : attemptsText(attempts, texts.url)}` +
    `,"steps":${isContainer(step.kind) ? below(step.key, step.node, tree, tree.runEnded || isStepEnded(step)) : '[]'}` +
    '}'
  );
};

/** Of a step that waits for its retry, or was cancelled while it did, the error that it met last. */
const shownError = ({ status, error, attempts }: Step): ErrorInfo | null =>
  error === null && (status === 'waiting-retry' || status === 'cancelled') ? (attempts.at(-1)?.error ?? null) : error;

type RequestTexts = { readonly url: string; readonly request: string };
const NO_REQUEST: RequestTexts = { url: 'null', request: 'null' };

/** Requests are of the plan's nodes, so their texts repeat with every run: kept as long as the plan is. */
const knownRequests = new WeakMap<object, RequestTexts>();

const requestTexts = (request: NonNullable<Step['request']>): RequestTexts => {
  const known = knownRequests.get(request);
  if (known !== undefined) return known;
  const url = JSON.stringify(request.url);
  const made = { url, request: requestText(request.method, url, request.contentType, request.headers) };
  knownRequests.set(request, made);
  return made;
};

let lastDispatcher = '';
let lastDispatcherText = '""';

/** Nearly all attempts that a process shows are its own. */
const dispatcherText = (dispatcher: string): string => {
  if (dispatcher !== lastDispatcher) {
    lastDispatcher = dispatcher;
    lastDispatcherText = JSON.stringify(dispatcher);
  }
  return lastDispatcherText;
};

const attemptsText = (attempts: readonly Attempt[], url: string): string => {
  let text = '[';
  for (const attempt of attempts) {
    text +=
      (text === '[' ? '' : ',') +
      `{"number":${attempt.number}` +
      `,"outcome":"${attempt.outcome}` +
      `","status":${attempt.status}` +
      `,"error":${errorText(attempt.error)}` +
      `,"body":${textOrNull(attempt.body)}` +
      `,"url":${url}` +
      `,"startedAt":"${attempt.startedAt}` +
      `","endedAt":${instantText(attempt.endedAt)}` +
      `,"retryAt":${instantText(attempt.retryAt)}` +
      `,"dispatcher":${dispatcherText(attempt.dispatcher)}` +
      '}';
  }
  return text + ']';
};

/**
 * The entity tag of a run's document. The revision says all of it but what its steps wait for, which may change without an event.
 */
export const runTag = ({ revision }: Run, waits: readonly Wait[], view: RunView): string => {
  const waiting = waits.length === 0 ? '' : `-${sha256Hex(waitingText(waits)).slice(0, 16)}`;
  return `"${revision}-${view}${waiting}"`;
};

/** A tag of any view of a run says its revision; what its steps waited for is no part of what was seen of it. */
export const RUN_TAG = /^"(0|[1-9]\d{0,8})-(?:full|slim)(?:-[0-9a-f]{16})?"$/;
