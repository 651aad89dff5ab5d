import {
  isContainer,
  isEnded,
  isStepEnded,
  type ErrorInfo,
  type HistoryAttempt,
  type HistoryStep,
  type Plan,
  type PlanNode,
  type RunHistory,
} from '#domain';
import type { RunId } from '#engine';
import { stepIdempotencyKey } from '#runtime';
import { PayloadTexts, type RunView } from './payload-json.js';
import { pendingText, planChildren, requestText, STEPS_SHOWN_MAX } from './pending-json.js';
import { hashOf } from './run-id.js';
import type { ShownRun } from './shown-runs.js';
import { errorText, instantText, textOrNull } from './waiting-json.js';

/** So many characters of steps stand in one answer, about. Far below what a string may hold. */
const STEPS_CHARS_MAX = 8 * 1024 * 1024;

/** The steps of one answer. */
export type StepTree = {
  readonly runId: RunId;
  readonly history: RunHistory;
  readonly plan: Plan;
  readonly view: RunView;
  readonly payloads: PayloadTexts;
  /** No node is left to be reached: steps in the order of their entries are then all that there is. */
  readonly isReached: boolean;
  /** How many more characters of steps are shown. */
  charsLeft: number;
};

export const stepTree = ({ history, plan }: ShownRun, view: RunView, payloads: PayloadTexts): StepTree => ({
  runId: hashOf(history.started.id),
  history,
  plan,
  view,
  payloads,
  isReached: history.steps.size >= plan.nodes.length,
  charsLeft: STEPS_CHARS_MAX,
});

/** `steps`, how many there are in all, and where the next page of them begins: of a container, or of the root (`null`). */
export const stepsMembers = (container: HistoryStep | null, tree: StepTree): string => {
  const isShort = (container ?? tree.history).children.length <= STEPS_SHOWN_MAX;
  // Short lists have no pages, whose order is always the same: the cheap one is taken.
  const children = tree.isReached && isShort ? (container ?? tree.history).children : childrenOf(container, tree);
  const { items, next } = listOf(container, children, { from: 0, max: STEPS_SHOWN_MAX }, tree);
  return `"steps":[${items}],"stepsTotal":${children.length},"stepsCursor":${next === null ? 'null' : `"${next}"`}`;
};

/** A page of the steps of a container, from a place in their order on. */
export const stepsPage = (
  container: HistoryStep | null,
  page: { readonly from: number; readonly max: number },
  tree: StepTree,
): { readonly items: string; readonly next: string | null } =>
  listOf(container, childrenOf(container, tree), page, tree);

/** The place in their order that a cursor of this view says; `null`: it is not one of it. */
export const placeOfCursor = (cursor: string, view: RunView): number | null => {
  const [, of, place] = /^(full|slim)-(0|[1-9]\d{0,8})$/.exec(cursor) ?? [];
  return of === view ? Number(place) : null;
};

/**
 * As entered; in the full view in the order of the plan, with the nodes that were not reached, and last what the plan does not
 * have there. Steps that are entered later change the place of none.
 */
const childrenOf = (container: HistoryStep | null, tree: StepTree): readonly (HistoryStep | PlanNode)[] => {
  const { children } = container ?? tree.history;
  if (tree.view === 'slim') return children;
  const byNode = Map.groupBy(children, (step) => step.node);
  const ordered = planChildren(tree.plan, container?.node ?? null).flatMap(
    (node): readonly (HistoryStep | PlanNode)[] => {
      const entered = byNode.get(node.id) ?? [node];
      byNode.delete(node.id);
      return entered;
    },
  );
  return byNode.size === 0 ? ordered : [...ordered, ...[...byNode.values()].flat()];
};

const listOf = (
  container: HistoryStep | null,
  children: readonly (HistoryStep | PlanNode)[],
  { from, max }: { readonly from: number; readonly max: number },
  tree: StepTree,
): { readonly items: string; readonly next: string | null } => {
  const isOver = isEnded(tree.history) || (container !== null && isStepEnded(container));
  let items = '';
  let place = from;
  for (; place < children.length && place < from + max && tree.charsLeft > 0; place++) {
    const child = children[place]!;
    const item =
      'enteredAt' in child
        ? stepText(child, tree)
        : pendingText(child, container?.key ?? null, tree, isOver ? 'not-reached' : 'pending');
    items += items === '' ? item : `,${item}`;
  }
  return { items, next: place < children.length ? `${tree.view}-${place}` : null };
};

/** `alone`: it is what was asked for, and its own payloads are shown whole. */
export const stepText = (step: HistoryStep, tree: StepTree, alone = false): string => {
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
  const own =
    // Names of steps hold no character that JSON would escape.
    `{"key":"${step.key}"` +
    `,"name":"${step.name}"` +
    `,"type":"${step.kind}` +
    `","status":"${step.status}` +
    `","input":${payloads[shown](input, key, 'input')}` +
    `,"output":${output === null ? 'null' : payloads[shown](output, key, 'output')}` +
    `,"mapped":${mappedText(step, payloads, shown)}` +
    `,"error":${errorText(shownError(step))}` +
    `,"enteredAt":"${step.enteredAt}` +
    `","startedAt":${instantText(startedAt)}` +
    `,"finishedAt":${instantText(step.finishedAt)}` +
    `,"idempotencyKey":${step.kind === 'step' ? `"${stepIdempotencyKey(tree.runId, step.key)}"` : 'null'}` +
    `,"request":${texts.request}` +
    `,"attempts":${attempts.length === 0 ? '[]' : attemptsText(attempts, texts.url)},`;
  tree.charsLeft -= own.length;
  return `${own}${isContainer(step.kind) ? stepsMembers(step, tree) : NO_STEPS}}`;
};

/** What flows on: without a mapper the output once more, or where that is shown when it is long. */
const mappedText = (
  { key, output, mapped }: HistoryStep,
  payloads: PayloadTexts,
  shown: 'whole' | 'ofStep',
): string => {
  if (mapped !== null) return payloads[shown](mapped, key, 'mapped');
  return output === null ? 'null' : payloads.ofStep(output, key, 'output');
};

const NO_STEPS = '"steps":[],"stepsTotal":0,"stepsCursor":null';

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
