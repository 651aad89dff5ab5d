import { advance } from './advance.js';
import { cancelOpenSteps, classOf, failRun, failStep } from './closing.js';
import type {
  Context,
  FailAttempt,
  IsUnsent,
  NoteDuplicateStarts,
  RunCommand,
  Rejection,
  SetBack,
  StartRun,
} from './commands.js';
import type { Evaluation } from './evaluation.js';
import type { ErrorInfo, RunArchived, RunEvent, StepKey } from './events.js';
import { dueMs, firstLate } from './dues.js';
import { toInstant, toMs } from './instant.js';
import { findStepPath } from './step-path.js';
import { movedDues } from './moved-dues.js';
import { holds } from './precondition.js';
import { isComputed } from './plan.js';
import { policyOf } from './policy.js';
import { nextAttemptAtMs } from './retry-policy.js';
import { isEnded, type Run, type Step } from './run.js';
import { answerRefused, boundReached } from './run-bounds.js';
import { missing, unreachable } from './unreachable.js';

export type Decision =
  | { readonly accepted: true; readonly events: readonly RunEvent[] }
  | { readonly accepted: false; readonly rejection: Rejection }
  /** Of one scope: nothing is decided of its move before that. */
  | { readonly accepted: false; readonly needs: Evaluation };

/** How many events one decision about many steps makes at most; what is left stays owed and follows. */
const EVENTS_PER_DECISION_MAX = 100;
const DUPLICATES_NOTED_EVERY_MS = 60_000;

const NOTHING: Decision = { accepted: true, events: [] };
const accept = (...events: RunEvent[]): Decision => ({ accepted: true, events });
const reject = (rejection: Rejection): Decision => ({ accepted: false, rejection });

/**
 * What a command makes of a run: events, or a rejection. Pure: no clock, no chance, no ids; never changes the run. An
 * owner folds the events, repeats `Advance` for each scope whose token can move, then starts the attempts it has grants for, and
 * appends all of it at once.
 */
export const decide = (command: RunCommand, run: Run | null, context: Context): Decision => {
  if (run !== null && run.archived !== null) return afterArchive(command, run.archived);
  if (command.type === 'StartRun') return startRun(command, run, context);
  if (run === null) return reject({ code: 'run-not-found' });
  if (command.type === 'NoteDuplicateStarts') return noteDuplicates(command, run, context);
  // What would be refused in any case is refused for that (RFC 9110, 13.2.1): of another end there is more to say.
  const isTooLate = isEnded(run) && run.status !== 'cancelled';
  if (command.type === 'CancelRun' && !isTooLate && !holds(command.precondition, run.revision))
    return reject({ code: 'not-as-seen', revision: run.revision });
  if (isEnded(run)) return afterEnd(command, run);
  switch (command.type) {
    case 'StartAttempt':
      return startAttempt(command, run, context);
    case 'CompleteAttempt':
      return completeAttempt(command, run, context);
    case 'FailAttempt':
      return failAttempt(command, run, context);
    case 'InterruptAttempt':
      return interruptAttempt(command, run);
    case 'LoseAttempts':
      return loseAttempts(command.boot, run, context);
    case 'Advance':
      return moved(advance(run, command.scope, context));
    case 'Evaluated': {
      const { scope, id } = command;
      const needed = advance(run, scope, context);
      // No move needs it, or not any more.
      if (!('id' in needed) || needed.id !== id) return reject({ code: 'stale-evaluation', scope, id });
      return moved(advance(run, scope, context, command));
    }
    case 'WakeUp':
      return wakeUp(run, context, command.setBack ?? null);
    case 'CancelRun':
      return cancelRun(command.reason, run, context);
    default:
      return unreachable(command);
  }
};

const moved = (made: ReturnType<typeof advance>): Decision =>
  'id' in made ? { accepted: false, needs: made } : accept(...made);

const cancelRun = (reason: string | null, run: Run, { isUnsent }: Context): Decision => {
  const open = { below: null, reason: reason ?? 'the run was cancelled' };
  return accept(...cancelOpenSteps(run, open, isUnsent), { type: 'RunCancelled', reason });
};

const startRun = (command: StartRun, run: Run | null, { plan, atMs }: Context): Decision => {
  if (run !== null) {
    const first = run.started.fingerprint;
    return first === command.fingerprint ? NOTHING : reject({ code: 'key-reused', first, given: command.fingerprint });
  }
  if (command.fromStep !== null && findStepPath(plan, command.fromStep) === null)
    return reject({ code: 'unknown-step', step: command.fromStep });
  const { type: _type, timeoutMs, ...started } = command;
  const limitMs = Math.min(timeoutMs ?? Infinity, plan.timeoutMs ?? Infinity);
  return accept({ type: 'RunStarted', ...started, timeoutAt: limitMs === Infinity ? null : toInstant(atMs + limitMs) });
};

/** Ending twice is an accepted decision of no events; everything else comes too late. */
const afterEnd = (command: RunCommand, run: Run): Decision => {
  switch (command.type) {
    case 'CancelRun':
      return run.status === 'cancelled' ? NOTHING : reject({ code: 'run-ended', status: run.status });
    case 'Advance':
    case 'WakeUp':
    case 'LoseAttempts':
      return NOTHING;
    default:
      return reject({ code: 'run-ended', status: run.status });
  }
};

/**
 * Nothing changes an archived run. A start with another payload is told what it would have been told before: that its key is
 * taken is the caller's mistake, however old the run; the first payload sent again learns where the run has gone.
 */
const afterArchive = (command: RunCommand, stub: RunArchived): Decision => {
  switch (command.type) {
    case 'StartRun':
      return stub.fingerprint === command.fingerprint
        ? reject({ code: 'run-archived', file: stub.file })
        : reject({ code: 'key-reused', first: stub.fingerprint, given: command.fingerprint });
    case 'Advance':
    case 'WakeUp':
    case 'LoseAttempts':
    case 'NoteDuplicateStarts':
      return NOTHING;
    default:
      return reject({ code: 'run-archived', file: stub.file });
  }
};

const noteDuplicates = (
  { count, refused, last }: NoteDuplicateStarts,
  run: Run,
  { atMs, limits }: Context,
): Decision => {
  const { notedAt } = run.duplicates;
  // One a minute for a year would pass the limit of events too.
  if (
    count + refused < 1 ||
    run.revision + 1 >= limits.eventsMax ||
    (!last && notedAt !== null && atMs < toMs(notedAt) + DUPLICATES_NOTED_EVERY_MS)
  )
    return NOTHING;
  return accept({ type: 'DuplicateStartsSeen', count, refused });
};

const startAttempt = (command: RunCommand & { type: 'StartAttempt' }, run: Run, context: Context): Decision => {
  const { atMs } = context;
  const step = run.steps.get(command.step);
  if (step === undefined) return reject({ code: 'unknown-step', step: command.step });
  const due =
    (step.status === 'scheduled' && !step.computes) ||
    (step.status === 'waiting-retry' && (dueMs(run.obligations.dues, 'retry', step.key) ?? Infinity) <= atMs);
  // Who hears late of a run starts nothing that the next waking would end: its answer might come before that.
  const { dues } = run.obligations;
  const late = (dueMs(dues, 'step', step.key) ?? Infinity) <= atMs || (dueMs(dues, 'run', '') ?? Infinity) <= atMs;
  if (!due || late) return reject({ code: 'not-owed', step: command.step });
  const bound = boundReached(run, context.limits);
  if (bound !== null) return accept(...failRun(run, step, bound, context));
  const spent = spentBy(step, run, context);
  if (spent !== null) return accept(failStep(step, spent, context.plan));
  const { dispatcher, boot } = command.grant;
  return accept({ type: 'AttemptStarted', step: step.key, attempt: step.attempts.length + 1, dispatcher, boot });
};

/** Why an owed attempt is not made but fails its step, or `null`. Only now is it known how long it waited for a grant. */
const spentBy = (step: Step, run: Run, { plan, atMs, limits }: Context): ErrorInfo | null => {
  const last = step.attempts.at(-1);
  if (step.attempts.length >= limits.attemptsMax) {
    const cause = `the step was attempted ${limits.attemptsMax} times, the limit`;
    return { name: 'Stepwell.TooManyAttempts', cause };
  }
  if (last === undefined || step.retriesEndAt === null || atMs < toMs(step.retriesEndAt)) return null;
  const { totalTimeoutMs } = policyOf(plan, step).retry;
  if (step.status === 'waiting-retry' && last.error !== null) return last.error;
  const cause = `no attempt starts later than ${totalTimeoutMs} ms after the entry (totalTimeoutMs), and attempt ${last.number} ended without an answer`;
  return { name: 'Stepwell.RetriesTimedOut', cause };
};

/** The step whose attempt is in flight under this number; late answers to superseded attempts find none. */
const inFlight = (run: Run, key: StepKey, attempt: number): Step | null => {
  const step = run.steps.get(key);
  const last = step?.attempts.at(-1);
  return step !== undefined && last?.number === attempt && last.outcome === 'running' ? step : null;
};

const completeAttempt = (command: CompleteAttempt, run: Run, context: Context): Decision => {
  const step = inFlight(run, command.step, command.attempt);
  if (step === null) return reject({ code: 'stale-attempt', step: command.step, attempt: command.attempt });
  const refused = answerRefused(run, command.output, context.limits);
  if (refused !== null) return refuseAnswer(command, step, refused, run, context);
  const node = context.plan.nodes[step.node];
  const mapped = node?.output ?? null;
  const succeeded: RunEvent = {
    type: 'AttemptSucceeded',
    step: step.key,
    attempt: command.attempt,
    status: command.status,
    output: command.output,
  };
  // What is still to be computed stands between no answer and its commit: the token is owed the move.
  if (isComputed(mapped)) return accept(succeeded);
  return accept(succeeded, {
    type: 'StepCompleted',
    step: step.key,
    endsSlot: step.slot !== null && node?.next === null,
    edge: null,
    output: { revision: run.revision + 1, pointer: '/output' },
    mapped,
    as: node?.as ?? null,
  });
};

type CompleteAttempt = RunCommand & { readonly type: 'CompleteAttempt' };

/** The step was done, and the run ends all the same: it has no room for what came of it. */
const refuseAnswer = (
  { attempt, status }: CompleteAttempt,
  step: Step,
  error: ErrorInfo,
  run: Run,
  context: Context,
): Decision =>
  accept(
    {
      type: 'AttemptFailed',
      step: step.key,
      attempt,
      class: 'may-have-executed',
      status,
      error,
      body: null,
      retryAt: null,
      interrupted: false,
    },
    ...failRun(run, step, error, context),
  );

const failAttempt = (command: FailAttempt, run: Run, { plan, atMs }: Context): Decision => {
  const step = inFlight(run, command.step, command.attempt);
  if (step === null) return reject({ code: 'stale-attempt', step: command.step, attempt: command.attempt });
  const failure = {
    atMs,
    name: command.error.name,
    retryable: command.retryable,
    retryAfterMs: command.retryAfterMs,
    jitter: command.jitter,
  };
  const progress = {
    budgetUsed: step.budgetUsed + 1,
    enteredAtMs: toMs(step.enteredAt),
    deadlineMs: step.deadlineAt === null ? null : toMs(step.deadlineAt),
  };
  const dueMs = nextAttemptAtMs(policyOf(plan, step).retry, failure, progress);
  const failed: RunEvent = {
    type: 'AttemptFailed',
    step: step.key,
    attempt: command.attempt,
    class: command.class,
    status: command.status,
    error: command.error,
    body: command.body,
    retryAt: dueMs === null ? null : toInstant(dueMs),
    interrupted: false,
  };
  return dueMs === null ? accept(failed, failStep(step, command.error, plan)) : accept(failed);
};

const interruptAttempt = (command: RunCommand & { type: 'InterruptAttempt' }, run: Run): Decision => {
  const step = inFlight(run, command.step, command.attempt);
  if (step === null) return reject({ code: 'stale-attempt', step: command.step, attempt: command.attempt });
  return accept({
    type: 'AttemptFailed',
    step: step.key,
    attempt: command.attempt,
    class: command.class,
    status: null,
    error: {
      name: 'Stepwell.Interrupted',
      cause:
        command.class === 'not-executed'
          ? 'the dispatcher gave the attempt back before anything of it was sent; it is made again'
          : 'the dispatcher stopped before the answer came; the attempt is made again',
    },
    body: null,
    retryAt: null,
    interrupted: true,
  });
};

const loseAttempts = (boot: string, run: Run, { plan }: Context): Decision => {
  const events: RunEvent[] = [];
  for (const [key, attemptBoot] of run.obligations.inFlight) {
    const step = run.steps.get(key);
    const attempt = step?.attempts.at(-1);
    if (attemptBoot === boot || step === undefined || attempt === undefined) continue;
    if (events.length >= EVENTS_PER_DECISION_MAX) break;
    events.push({ type: 'AttemptOutcomeUnknown', step: key, attempt: attempt.number });
    if (policyOf(plan, step).retry.onUnknown === 'fail')
      events.push(failStep(step, unknownOutcome(attempt.number), plan));
  }
  return accept(...events);
};

const unknownOutcome = (attempt: number) => ({
  name: 'Stepwell.OutcomeUnknown',
  cause: `the dispatcher that made attempt ${attempt} ended before it recorded an outcome, and the step says onUnknown: fail`,
});

const wakeUp = (run: Run, context: Context, setBack: SetBack | null): Decision => {
  const moved = movedDues(run, context, setBack);
  if (moved !== null) return accept(moved);
  const { plan, atMs, isUnsent } = context;
  const { timeoutAt } = run;
  if (timeoutAt !== null && toMs(timeoutAt) <= atMs) {
    const error = { name: 'Stepwell.RunTimeout', cause: `the run did not end by ${timeoutAt}` };
    return accept(...cancelOpenSteps(run, { below: null, reason: error.cause }, isUnsent), {
      type: 'RunTimedOut',
      error,
    });
  }
  // One failure a decision: it may close the very steps that are next in line.
  const late = firstLate(run.obligations.dues, atMs);
  if (late === null) return NOTHING;
  const step = run.steps.get(late.step) ?? missing(`the step ${late.step} that is late`);
  if (late.kind === 'wait') return accept({ type: 'WaitEnded', step: step.key });
  if (late.kind === 'attempts') {
    const spent = spentBy(step, run, context) ?? missing(`why no attempt of ${late.step} starts`);
    return accept(failStep(step, spent, plan));
  }
  const error = { name: 'Stepwell.StepTimeout', cause: `the step did not end by ${step.deadlineAt} (stepMs)` };
  const attempt = step.attempts.at(-1);
  return attempt?.outcome === 'running'
    ? accept({ ...abandoned(step.key, attempt.number, isUnsent), error }, failStep(step, error, plan))
    : accept(failStep(step, error, plan));
};

const abandoned = (step: StepKey, attempt: number, isUnsent: IsUnsent) =>
  ({
    type: 'AttemptFailed',
    step,
    attempt,
    class: classOf(step, attempt, isUnsent),
    status: null,
    body: null,
    retryAt: null,
    interrupted: false,
  }) as const;
