import type { FailureClass, RunArchived, RunEvent, RunStarted, StepCancelled, StepEntered, StepKey } from './events.js';
import { NULL_TEXT } from './payload.js';
import { inputOf, itemsOf, mappedOf, outputOf, RUN_INPUT, sourceOf, startPayloads } from './payloads.js';
import { isStepEnded, type AttemptOutcome, type PayloadSource, type RunStatus, type StepStatus } from './run.js';
import type { HistoryAttempt, HistoryStep, RunHistory } from './run-history.js';
import { unreachable } from './unreachable.js';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
type AttemptState = Mutable<HistoryAttempt>;
type StepState = Mutable<Omit<HistoryStep, 'attempts' | 'children'>> & {
  attempts: AttemptState[];
  children: StepState[];
};

/** The mutable side of a history; only `foldHistory` writes it. */
export type HistoryState = Mutable<Omit<RunHistory, 'steps' | 'children'>> & {
  steps: Map<StepKey, StepState>;
  children: StepState[];
  readonly payloads: Map<number, readonly PayloadSource[]>;
};

/**
 * Folds one committed event into the history, which it owns and updates in place. Total, as `evolve` is, and says of a run what
 * that says of it; nothing of it is ever taken back. Before `RunStarted` there is nothing: `null`.
 */
export const foldHistory = (history: HistoryState | null, event: RunEvent, at: string): HistoryState | null => {
  if (event.type === 'RunArchived') return archived(event);
  if (history === null) return event.type === 'RunStarted' ? started(event, at) : null;
  history.revision += 1;
  apply(history, event, at);
  return history;
};

const started = (event: RunStarted, at: string): HistoryState => ({
  started: event,
  startedAt: at,
  status: 'running',
  reason: null,
  error: null,
  output: null,
  finishedAt: null,
  revision: 0,
  duplicates: NO_DUPLICATES,
  steps: new Map(),
  children: [],
  payloads: new Map([[0, startPayloads(event)]]),
  archived: null,
});

const NO_DUPLICATES = { count: 0, refused: 0 };

/** What the stub does not say is empty; `RunHistory.archived` tells that it is. */
const archived = (stub: RunArchived): HistoryState => {
  const { type: _type, status, startedAt, finishedAt, events, file: _file, ...known } = stub;
  const start: RunStarted = {
    ...known,
    type: 'RunStarted',
    queue: '',
    tags: {},
    correlationId: null,
    requestor: null,
    fromStep: null,
    timeoutAt: null,
    variables: NULL_TEXT,
    input: NULL_TEXT,
  };
  return { ...started(start, startedAt), revision: events, archived: stub, status, finishedAt };
};

const apply = (history: HistoryState, event: Exclude<RunEvent, RunArchived>, at: string): void => {
  switch (event.type) {
    case 'RunStarted':
    case 'Foreign':
      return;
    case 'RunCompleted':
      history.output =
        event.mapped === null ? sourceOf(history.payloads, event.output) : mappedOf(history, event.mapped);
      return endRun(history, 'completed', at);
    case 'RunFailed':
      history.error = event.error;
      history.reason = event.error.cause ?? event.error.name;
      return endRun(history, 'failed', at);
    case 'RunCancelled':
      history.reason = event.reason;
      return endRun(history, 'cancelled', at);
    case 'RunTimedOut':
      history.error = event.error;
      history.reason = event.error.cause;
      return endRun(history, 'timed-out', at);
    case 'DuplicateStartsSeen': {
      const { count, refused } = history.duplicates;
      history.duplicates = { count: count + event.count, refused: refused + event.refused };
      return;
    }
    case 'StepEntered':
      enterStep(history, event, inputOf(history, event.input), at);
      return;
    case 'StepSkipped':
      return skipStep(history, event, at);
    case 'StepCancelled':
      return cancelSteps(history, event, at);
    case 'DuesMoved':
      for (const { step, retryAt } of event.retries) {
        const state = history.steps.get(step);
        if (state !== undefined) state.retryAt = retryAt;
      }
      for (const { step, wakeAt } of event.waits) {
        const state = history.steps.get(step);
        if (state !== undefined && state.wait !== null) state.wait = { ...state.wait, wakeAt };
      }
      return;
    default: {
      const step = history.steps.get(event.step);
      if (step !== undefined) applyToStep(history, step, event, at);
    }
  }
};

type StepEvent = Extract<
  RunEvent,
  {
    readonly type:
      | 'ValuesComputed'
      | 'SlotOpened'
      | 'WaitEnded'
      | 'StepCompleted'
      | 'StepFailed'
      | 'AttemptStarted'
      | 'AttemptSucceeded'
      | 'AttemptFailed'
      | 'AttemptOutcomeUnknown';
  }
>;

const applyToStep = (history: HistoryState, step: StepState, event: StepEvent, at: string): void => {
  switch (event.type) {
    case 'ValuesComputed':
      step.request = event.request;
      step.wait = event.wait;
      if (event.wait !== null) step.status = 'waiting-timer';
      step.items = event.items === null ? null : itemsOf(history, event.items);
      return;
    case 'SlotOpened':
      return;
    case 'WaitEnded':
      step.status = 'running';
      return;
    case 'StepCompleted':
      step.output = outputOf(history, event.output);
      step.mapped = event.mapped === null ? null : mappedOf(history, event.mapped);
      return end(step, 'completed', at);
    case 'StepFailed':
      step.error = event.error;
      return end(step, 'failed', at);
    case 'AttemptStarted':
      step.attempts.push(newAttempt(event.attempt, event.dispatcher, at));
      step.status = 'running';
      step.retryAt = null;
      return;
    case 'AttemptSucceeded':
      outputOf(history, { value: event.output });
      return endAttempt(step, 'succeeded', { status: event.status }, at);
    case 'AttemptFailed':
      endAttempt(step, event.class, event, at);
      if (event.interrupted) step.status = 'scheduled';
      else if (event.retryAt !== null) {
        step.status = 'waiting-retry';
        step.retryAt = event.retryAt;
      }
      return;
    case 'AttemptOutcomeUnknown':
      endAttempt(step, 'unknown', {}, at);
      step.status = 'scheduled';
      return;
    default:
      return unreachable(event);
  }
};

const skipStep = (history: HistoryState, event: RunEvent & { type: 'StepSkipped' }, at: string): void =>
  end(enterStep(history, { ...event, request: null }, sourceOf(history.payloads, RUN_INPUT), at), 'skipped', at);

type Entry = Pick<StepEntered, 'step' | 'node' | 'name' | 'kind' | 'parent' | 'request'>;

const enterStep = (history: HistoryState, entry: Entry, input: PayloadSource, at: string): StepState => {
  const { step: key, parent } = entry;
  const step: StepState = {
    key,
    node: entry.node,
    name: entry.name,
    kind: entry.kind,
    parent,
    status: entry.kind === 'step' ? 'scheduled' : 'running',
    input,
    output: null,
    mapped: null,
    error: null,
    enteredAt: at,
    enteredRevision: history.revision,
    finishedAt: null,
    request: entry.request,
    items: null,
    wait: null,
    attempts: [],
    retryAt: null,
    children: [],
  };
  history.steps.set(key, step);
  (parent === null ? history : history.steps.get(parent))?.children.push(step);
  return step;
};

const newAttempt = (number: number, dispatcher: string, at: string): AttemptState => ({
  number,
  outcome: 'running',
  status: null,
  error: null,
  body: null,
  startedAt: at,
  endedAt: null,
  retryAt: null,
  dispatcher,
});

type AttemptEnd = Partial<Pick<HistoryAttempt, 'status' | 'error' | 'body' | 'retryAt'>>;

const endAttempt = ({ attempts }: StepState, outcome: AttemptOutcome, end: AttemptEnd, at: string): void => {
  const attempt = attempts.at(-1);
  if (attempt === undefined) return;
  attempt.outcome = outcome;
  attempt.status = end.status ?? null;
  attempt.error = end.error ?? null;
  attempt.body = end.body ?? null;
  attempt.retryAt = end.retryAt ?? null;
  attempt.endedAt = at;
};

const cancelSteps = (history: HistoryState, { below, reason, attempts }: StepCancelled, at: string): void => {
  const error = { name: 'Stepwell.Abandoned', cause: reason };
  const classes = new Map<StepKey, FailureClass>();
  for (const { step, class: outcome } of attempts) classes.set(step, outcome);
  const cancel = (steps: readonly StepState[]): void => {
    for (const step of steps) {
      if (isStepEnded(step)) continue;
      if (step.attempts.at(-1)?.outcome === 'running')
        endAttempt(step, classes.get(step.key) ?? 'may-have-executed', { error }, at);
      end(step, 'cancelled', at);
      cancel(step.children);
    }
  };
  cancel((below === null ? history : history.steps.get(below))?.children ?? []);
};

const end = (step: StepState, status: StepStatus, at: string): void => {
  step.status = status;
  step.finishedAt = at;
  step.retryAt = null;
};

const endRun = (history: HistoryState, status: RunStatus, at: string): void => {
  history.status = status;
  history.finishedAt = at;
};
