import type {
  AttemptStarted,
  AttemptSucceeded,
  DuesMoved,
  FailureClass,
  RunArchived,
  RunEvent,
  RunStarted,
  StepCancelled,
  StepCompleted,
  StepEntered,
  StepKey,
} from './events.js';
import { NULL_TEXT } from './payload.js';
import { inputOf, mappedOf, outputOf, RUN_INPUT, sourceOf } from './payloads.js';
import { scopeOf, slotKey, type Attempt, type AttemptOutcome, type Run, type Step } from './run.js';
import { dropDue, noDues, setDue } from './dues.js';
import { toMs } from './instant.js';
import { beginStep, endWait, joinSlot, openSlot, takeValues } from './slots.js';
import { addTo } from './obligations.js';
import { countEntry, forgetSlots, hold, leaveBefore, release } from './forgetting.js';
import { keepName, passNamesUp } from './kept-names.js';
import { openSteps } from './open-steps.js';
import {
  countPayload,
  newAttempt,
  newRun,
  newStep,
  noteStep,
  updateStep,
  type RunState,
  type StepState,
} from './run-state.js';
import { noted, NotedMap, noteFields, type Undo } from './undo.js';
import { missing, unreachable } from './unreachable.js';

/**
 * Folds one event into the run, which it owns and updates in place (a map over 10,000 items must not copy 10,000 times).
 * Total: it never refuses, never checks and never reads the plan; it stops only where an event refers to a
 * payload or a scope that is not there.
 * Before `RunStarted` there is no run: `null`. A stream
 * that begins with `RunArchived` folds to what the whole history with it at its end folds to. `undo`: where it is noted how to
 * take it back, of a run that there is.
 */
export const evolve = (
  run: RunState | null,
  event: RunEvent,
  at: string,
  undo: Undo | null = null,
): RunState | null => {
  if (undo === null) return fold(run, event, at);
  return noted(undo, () => {
    // Once is enough: the first note is the last to be taken back.
    if (run !== null && undo.isEmpty) [run, run.obligations].forEach(noteFields);
    return fold(run, event, at);
  });
};

const fold = (run: RunState | null, event: RunEvent, at: string): RunState | null => {
  if (event.type === 'RunArchived') return archived(event);
  if (run === null) return event.type === 'RunStarted' ? newRun(event, at) : null;
  run.revision += 1;
  apply(run, event, at);
  return run;
};

/** What the stub does not say is empty; `Run.archived` tells that it is. */
const archived = (stub: RunArchived): RunState => {
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
  const run: RunState = { ...newRun(start, startedAt), revision: events, payloadBytes: 0, archived: stub };
  endRun(run, status, finishedAt);
  return run;
};

const apply = (run: RunState, event: Exclude<RunEvent, RunArchived>, at: string): void => {
  switch (event.type) {
    case 'RunStarted':
      return;
    case 'RunCompleted':
      run.outputRef = event.mapped === null ? sourceOf(run.payloads, event.output) : mappedOf(run, event.mapped);
      run.output = run.outputRef.text;
      hold(run, run.outputRef);
      if (event.mapped !== null) countPayload(run, event.mapped);
      return endRun(run, 'completed', at);
    case 'RunFailed':
      run.error = event.error;
      run.reason = event.error.cause ?? event.error.name;
      return endRun(run, 'failed', at);
    case 'RunCancelled':
      run.reason = event.reason;
      return endRun(run, 'cancelled', at);
    case 'RunTimedOut':
      run.error = event.error;
      run.reason = event.error.cause;
      return endRun(run, 'timed-out', at);
    case 'DuplicateStartsSeen':
      run.duplicates = {
        count: run.duplicates.count + event.count,
        refused: run.duplicates.refused + event.refused,
        notedAt: at,
      };
      return;
    case 'DuesMoved':
      return moveDues(run, event, at);
    case 'StepEntered':
      return enterStep(run, event, at);
    case 'StepSkipped':
      requireScope(run, event);
      skipStep(run, skippedStep(run, event, at));
      return endStep(run, event.step, 'skipped', event.slot !== null, at);
    case 'ValuesComputed':
      return takeValues(run, event);
    case 'SlotOpened':
      return openSlot(run, event.step);
    case 'WaitEnded':
      return endWait(run, event.step);
    case 'StepCompleted':
      return completeStep(run, event, at);
    case 'StepFailed':
      updateStep(run, event.step, (step) => {
        step.error = event.error;
      });
      return endStep(run, event.step, 'failed', event.endsSlot, at);
    case 'StepCancelled':
      return cancelSteps(run, event, at);
    case 'AttemptStarted':
      return startAttempt(run, event, at);
    case 'AttemptSucceeded':
      return succeedAttempt(run, event, at);
    case 'AttemptFailed':
      endAttempt(run, event.step, event.class, event, at);
      return event.interrupted ? oweAttempt(run, event.step) : awaitRetry(run, event.step, event.retryAt);
    case 'AttemptOutcomeUnknown':
      endAttempt(run, event.step, 'unknown', {}, at);
      return oweAttempt(run, event.step);
    case 'Foreign':
      return;
    default:
      return unreachable(event);
  }
};

const startAttempt = (run: RunState, event: AttemptStarted, at: string): void =>
  updateStep(run, event.step, (step) => {
    step.attempts.push(newAttempt(event.attempt, event.dispatcher, event.boot, at));
    step.status = 'running';
    step.retryAt = null;
    unready(run, step);
    dropDue(run.obligations.dues, 'retry', event.step);
    dropDue(run.obligations.dues, 'attempts', event.step);
    run.obligations.inFlight.set(event.step, event.boot);
  });

const moveDues = (run: RunState, { retries, deadlines, waits, timeoutAt }: DuesMoved, at: string): void => {
  const movedAt = (run.duesMovedAt ??= new NotedMap());
  for (const { step } of [...retries, ...deadlines, ...waits]) movedAt.set(step, at);
  for (const { step, retryAt } of retries)
    updateStep(run, step, (state) => {
      state.retryAt = retryAt;
      setDue(run.obligations.dues, 'retry', step, toMs(retryAt));
    });
  for (const { step, deadlineAt } of deadlines)
    updateStep(run, step, (state) => {
      state.deadlineAt = deadlineAt;
      setDue(run.obligations.dues, 'step', step, toMs(deadlineAt));
    });
  for (const { step, wakeAt } of waits)
    updateStep(run, step, (state) => {
      if (state.wait === null) return;
      state.wait = { ...state.wait, wakeAt };
      setDue(run.obligations.dues, 'wait', step, toMs(wakeAt));
    });
  if (timeoutAt === null) return;
  movedAt.set('', at);
  run.timeoutAt = timeoutAt;
  setDue(run.obligations.dues, 'run', '', toMs(timeoutAt));
};

/** A token in a scope that is no container's would be joined by nobody: the run would never end, and nobody would know why. */
const requireScope = (run: RunState, event: RunEvent & { readonly type: 'StepEntered' | 'StepSkipped' }): void => {
  if (!run.tokens.has(scopeOf(event))) missing(`scope ${scopeOf(event)}, where ${event.step} is entered,`);
};

const enterStep = (run: RunState, event: StepEntered, at: string): void => {
  run.enteredSteps += 1;
  if ('value' in event.input) countPayload(run, event.input.value);
  const scope = scopeOf(event);
  requireScope(run, event);
  const step = newStep(event, inputOf(run, event.input), at);
  hold(run, step.inputRef);
  leaveBefore(run, step);
  run.steps.set(event.step, step);
  countEntry(run, step);
  run.tokens.set(scope, event.step);
  if (event.deadlineAt !== null) setDue(run.obligations.dues, 'step', event.step, toMs(event.deadlineAt));
  if (event.computes) run.obligations.moves.add(scope);
  else beginStep(run, step, event.slots?.window ?? 0);
};

const skipStep = (run: RunState, step: StepState): void => {
  run.steps.set(step.key, step);
  countEntry(run, step);
  run.tokens.set(scopeOf(step), step.key);
};

const skippedStep = (run: RunState, event: RunEvent & { type: 'StepSkipped' }, at: string): StepState =>
  newStep(
    {
      ...event,
      type: 'StepEntered',
      slots: null,
      computes: false,
      request: null,
      policy: null,
      deadlineAt: null,
      retriesEndAt: null,
      input: RUN_INPUT,
    },
    sourceOf(run.payloads, RUN_INPUT),
    at,
  );

const completeStep = (run: RunState, event: StepCompleted, at: string): void => {
  if ('value' in event.output) countPayload(run, event.output.value);
  if (event.mapped !== null) countPayload(run, event.mapped);
  // What it gave is the history's when something else flows on.
  const flowing = event.mapped === null ? outputOf(run, event.output) : mappedOf(run, event.mapped);
  updateStep(run, event.step, (step) => {
    step.output = flowing.text;
    hold(run, flowing);
    release(run, step.outputRef);
    step.outputRef = flowing;
    step.edge = event.edge;
    // Over what was named inside of it.
    passNamesUp(run, step, true);
    if (event.as !== null) keepName(run, scopeOf(step), event.as, flowing);
  });
  endStep(run, event.step, 'completed', event.endsSlot, at);
};

const cancelSteps = (run: RunState, event: StepCancelled, at: string): void => {
  const error = { name: 'Stepwell.Abandoned', cause: event.reason };
  const classes = new Map<StepKey, FailureClass>();
  for (const { step, class: outcome } of event.attempts) classes.set(step, outcome);
  // What is inside of a container before it, which is forgotten with it.
  for (const { key, attempts } of [...openSteps(run, event.below)].reverse()) {
    if (attempts.at(-1)?.outcome === 'running')
      endAttempt(run, key, classes.get(key) ?? 'may-have-executed', { error }, at);
    endStep(run, key, 'cancelled', false, at);
  }
};

type AttemptEnd = Partial<Pick<Attempt, 'status' | 'error' | 'retryAt' | 'interrupted'>>;

const endAttempt = (run: RunState, key: StepKey, outcome: AttemptOutcome, end: AttemptEnd, at: string): void => {
  run.obligations.inFlight.delete(key);
  updateStep(run, key, (step) => {
    const attempt = step.attempts.at(-1);
    if (attempt === undefined) return;
    attempt.outcome = outcome;
    attempt.status = end.status ?? null;
    attempt.error = end.error ?? null;
    attempt.retryAt = end.retryAt ?? null;
    attempt.interrupted = end.interrupted ?? false;
    attempt.endedAt = at;
    if (outcome !== 'unknown' && !attempt.interrupted) step.budgetUsed += 1;
  });
};

/** The step is not completed by that alone: until it is, its token is owed the move. */
const succeedAttempt = (run: RunState, event: AttemptSucceeded, at: string): void => {
  const { step: key, output } = event;
  countPayload(run, output);
  const answer = outputOf(run, { value: output });
  endAttempt(run, key, 'succeeded', event, at);
  const step = run.steps.get(key);
  if (step === undefined) return;
  hold(run, answer);
  step.outputRef = answer;
  dropDue(run.obligations.dues, 'step', key);
  run.obligations.moves.add(scopeOf(step));
};

const oweAttempt = (run: RunState, key: StepKey): void =>
  updateStep(run, key, (step) => {
    step.status = 'scheduled';
    addTo(run.obligations.ready, step);
    endAttempts(run, step);
  });

const awaitRetry = (run: RunState, key: StepKey, retryAt: string | null): void => {
  if (retryAt === null) return;
  updateStep(run, key, (step) => {
    step.status = 'waiting-retry';
    step.retryAt = retryAt;
    setDue(run.obligations.dues, 'retry', key, toMs(retryAt));
    endAttempts(run, step);
  });
};

/** What waits for a slot waits no longer than an attempt may start. */
const endAttempts = (run: RunState, { key, attempts, retriesEndAt }: StepState): void => {
  if (retriesEndAt !== null && attempts.length > 0) setDue(run.obligations.dues, 'attempts', key, toMs(retriesEndAt));
};

const endStep = (run: RunState, key: StepKey, status: Step['status'], endsSlot: boolean, at: string): void => {
  const step = run.steps.get(key);
  if (step === undefined) return;
  noteStep(step);
  step.status = status;
  step.finishedAt = at;
  step.retryAt = null;
  step.endedSlot = endsSlot;
  dropObligations(run, step);
  passNamesUp(run, step, false);
  forgetSlots(run, step);
  if (endsSlot) return joinSlot(run, step);
  // A cancelled token never moves: what cancelled it closes its container in the same append.
  if (status === 'cancelled') run.obligations.moves.delete(scopeOf(step));
  else run.obligations.moves.add(scopeOf(step));
};

const unready = ({ obligations: { ready } }: RunState, { key, request }: Step): void => {
  const url = request?.url ?? '';
  const keys = ready.get(url);
  if (keys?.delete(key) === true && keys.size === 0) ready.delete(url);
};

/** All that a step can be due for. */
const STEP_DUES = ['step', 'attempts', 'wait', 'retry'] as const;

const dropObligations = (run: RunState, step: StepState): void => {
  const { moves, inFlight, dues } = run.obligations;
  unready(run, step);
  inFlight.delete(step.key);
  for (const kind of STEP_DUES) dropDue(dues, kind, step.key);
  const { slots } = step;
  // Of slots that have all ended no token can move.
  if (slots === null || slots.left === 0) return;
  for (const slot of slots.open) moves.delete(slotKey(step.key, slot));
};

const endRun = (run: RunState, status: Run['status'], at: string): void => {
  run.status = status;
  run.finishedAt = at;
  const { moves, ready, inFlight } = run.obligations;
  for (const kept of [moves, ready, inFlight]) kept.clear();
  run.obligations.dues = noDues();
};
