import {
  isContainer,
  isEnded,
  isStepEnded,
  type ErrorInfo,
  type HistoryAttempt,
  type HistoryStep,
  type Plan,
  type StepKey,
} from '#domain';
import type { RunId, Wait } from '#engine';
import { sha256Hex, stepIdempotencyKey } from '#runtime';
import { PayloadTexts, requireShowable, type RunView, type ShownPayload } from './payload-json.js';
import { pendingText, planChildren, requestText } from './pending-json.js';
import { hashOf } from './run-id.js';
import type { ShownRun } from './shown-runs.js';
import { errorText, instantText, textOrNull, waitingText } from './waiting-json.js';

/**
 * A run as the JSON text of the API. Assembled from stored payload text: no payload is parsed or serialised again, and a
 * run of three steps takes some microseconds. `slim` shows the steps that were entered, `full` those that may still come too.
 * `output`: whether the run's own is whole, however long. Throws the problem when the run does not fit into one document.
 */
export const runText = (shown: ShownRun, view: RunView = 'full', output: 'cut' | 'whole' = 'cut'): string => {
  const { history } = shown;
  const { started } = history;
  const payloads = new PayloadTexts(view, started.id);
  const input = { revision: 0, pointer: '/input', text: started.input };
  const variables = { revision: 0, pointer: '/variables', text: started.variables };
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
    `,"duplicateStarts":{"count":${history.duplicates.count},"refused":${history.duplicates.refused}}` +
    `,"status":"${history.status}` +
    `","reason":${textOrNull(history.reason)}` +
    `,"input":${payloads.ofRun(input, 'input')}` +
    `,"output":${history.output === null ? 'null' : outputText(history.output, payloads, output)}` +
    `,"error":${errorText(history.error)}` +
    `,"createdAt":"${history.startedAt}` +
    `","finishedAt":${instantText(history.finishedAt)}` +
    `,"resolved":${history.status === 'completed' || history.status === 'cancelled'}` +
    `,"parent":null,"revision":${history.revision}` +
    `,"waiting":${waitingText(shown.waits)}` +
    `,"steps":${stepsText(shown, payloads)}` +
    '}'
  );
};

const outputText = (output: ShownPayload, payloads: PayloadTexts, shown: 'cut' | 'whole'): string =>
  shown === 'whole' ? payloads.whole(output, null, 'output') : payloads.ofRun(output, 'output');

/** One step with its attempts and the steps below it; `null` when the run has not entered it. */
export const stepText = (shown: ShownRun, key: StepKey): string | null => {
  const step = shown.history.steps.get(key);
  if (step === undefined) return null;
  const payloads = new PayloadTexts('full', shown.history.started.id);
  return requireShowable(entered(step, treeOf(shown, 'full', payloads), true));
};

type Tree = {
  readonly runId: RunId;
  readonly runEnded: boolean;
  readonly plan: Plan;
  readonly view: RunView;
  readonly payloads: PayloadTexts;
};

const treeOf = ({ history, plan }: ShownRun, view: RunView, payloads: PayloadTexts): Tree => ({
  runId: hashOf(history.started.id),
  runEnded: isEnded(history),
  plan,
  view,
  payloads,
});

const stepsText = (shown: ShownRun, payloads: PayloadTexts): string => {
  const { history, plan } = shown;
  // A run that has entered every node has none to come: both views are then the same, and the cheap one is made.
  const reached = payloads.view === 'slim' || history.steps.size >= plan.nodes.length ? 'slim' : 'full';
  return below(null, history.children, treeOf(shown, reached, payloads), isEnded(history));
};

/** The steps of a container (`null`: the root); in plan order in the full view, else as entered. */
const below = (parent: HistoryStep | null, steps: readonly HistoryStep[], tree: Tree, ended: boolean): string => {
  let text = '[';
  if (tree.view === 'full') {
    for (const item of belowInPlanOrder(parent, steps, tree, ended)) text = withItem(text, item);
  } else {
    for (const step of steps) text = withItem(text, entered(step, tree));
  }
  return `${text}]`;
};

/** One after the other, so that what is too large is refused before all of it is made. */
const withItem = (list: string, item: string): string =>
  requireShowable(list === '[' ? list + item : `${list},${item}`);

function* belowInPlanOrder(
  parent: HistoryStep | null,
  steps: readonly HistoryStep[],
  tree: Tree,
  ended: boolean,
): Generator<string> {
  const status = ended ? 'not-reached' : 'pending';
  const byNode = Map.groupBy(steps, (step) => step.node);
  for (const child of planChildren(tree.plan, parent?.node ?? null)) {
    const reached = byNode.get(child.id);
    if (reached === undefined) yield pendingText(child, parent?.key ?? null, tree.plan, status);
    else for (const step of reached) yield entered(step, tree);
  }
}

/** `alone`: it is what was asked for, and its own payloads are shown whole. */
const entered = (step: HistoryStep, tree: Tree, alone = false): string => {
  const { key, request, attempts, input, output } = step;
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
    `","input":${payloads[shown](input, key, 'input')}` +
    `,"output":${output === null ? 'null' : payloads[shown](output, key, 'output')}` +
    `,"error":${errorText(shownError(step))}` +
    `,"enteredAt":"${step.enteredAt}` +
    `","startedAt":${instantText(startedAt)}` +
    `,"finishedAt":${instantText(step.finishedAt)}` +
    `,"idempotencyKey":${step.kind === 'step' ? `"${stepIdempotencyKey(tree.runId, step.key)}"` : 'null'}` +
    `,"request":${texts.request}` +
    `,"attempts":${attempts.length === 0 ? '[]' : attemptsText(attempts, texts.url)}` +
    `,"steps":${isContainer(step.kind) ? below(step, step.children, tree, tree.runEnded || isStepEnded(step)) : '[]'}` +
    '}'
  );
};

/** Of a step that waits for its retry, or was cancelled while it did, the error that it met last. */
const shownError = ({ status, error, attempts }: HistoryStep): ErrorInfo | null =>
  error === null && (status === 'waiting-retry' || status === 'cancelled') ? (attempts.at(-1)?.error ?? null) : error;

type RequestTexts = { readonly url: string; readonly request: string };
const NO_REQUEST: RequestTexts = { url: 'null', request: 'null' };

/** Requests are of the plan's nodes, so their texts repeat with every run: kept as long as the plan is. */
const knownRequests = new WeakMap<object, RequestTexts>();

const requestTexts = (request: NonNullable<HistoryStep['request']>): RequestTexts => {
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

const attemptsText = (attempts: readonly HistoryAttempt[], url: string): string => {
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
export const runTag = ({ revision }: { readonly revision: number }, waits: readonly Wait[], view: RunView): string => {
  const waiting = waits.length === 0 ? '' : `-${sha256Hex(waitingText(waits)).slice(0, 16)}`;
  return `"${revision}-${view}${waiting}"`;
};

/** A tag of any view of a run says its revision; what its steps waited for is no part of what was seen of it. */
export const RUN_TAG = /^"(0|[1-9]\d{0,8})-(?:full|slim)(?:-[0-9a-f]{16})?"$/;
