import assert from 'node:assert/strict';
import { decide, isEnded, type IsUnsent, type RunEvent, type RunLimits, type StepKey } from '#domain';
import { APPEND_BYTES_MAX, APPEND_EVENTS_MAX, encodeRunEvent, LOG_START } from '#event-store';
import type { LogFull, NewEvent } from '#event-store';
import type { Rejection, RunCommand } from '#domain';
import type { Log } from '#runtime';
import { foldEvent } from './load-run.js';
import { loadedOf, refuseAll, resultOf, type Mailbox, type Queued } from './mailbox.js';
import type { Owner, StartedAttempt } from './owner.js';
import { writeRunLines } from './run-lines.js';
import { callBack, wakeIdle } from './readers.js';
import { NOBODY, type Origin } from './runs.js';

// Room for the envelope and for the commas between events.
const ENVELOPE_BYTES = 2048;
const CONFLICTS_MAX = 10;
// Of what stands around the text of an event.
const EVENT_BYTES = 64;

type Answer = { readonly queued: Queued; readonly rejection: Rejection | null; readonly changed: boolean };

/** All that one append holds: the events of every command that was waiting, and of what became owed by them. */
export type DecisionBatch = {
  readonly events: NewEvent[];
  /** Who asked for what is in it: of one append the events have one actor. */
  origin: Origin;
  readonly answers: Answer[];
  readonly attempts: StartedAttempt[];
  /** In flight until now, and ended by something else than what came of them. */
  readonly abandoned: StartedAttempt[];
  /** Commands that did not fit; they go first next time. */
  left: Queued[];
  /** True when the append is full and more is owed at once. */
  more: boolean;
  bytes: number;
};

export type BatchContext = {
  readonly atMs: number;
  readonly at: string;
  readonly limits: RunLimits;
  readonly owner: Owner | null;
};

type Deciding = BatchContext & { readonly isUnsent: IsUnsent };

/**
 * Decides the waiting commands in order, folds each decision into the mailbox's state, lets tokens move and starts the
 * attempts that have grants: together one append. What does not fit stays owed and follows.
 */
export const decideBatch = (mailbox: Mailbox, queue: readonly Queued[], given: BatchContext): DecisionBatch => {
  const batch: DecisionBatch = {
    events: [],
    origin: given.owner?.origin ?? NOBODY,
    answers: [],
    attempts: [],
    abandoned: [],
    left: [],
    more: false,
    bytes: ENVELOPE_BYTES,
  };
  const context = { ...given, isUnsent: isUnsentOf(mailbox, batch, given.owner) };
  if (!moveTokens(mailbox, batch, context)) return { ...batch, left: [...queue], more: true };
  for (let index = 0; index < queue.length; index++) {
    const queued = queue[index]!;
    if (mailbox.state === null) mailbox.plan = queued.plan;
    if (batch.events.length === 0) batch.origin = queued.origin;
    // Whose wish something was is said of the whole append.
    else if (queued.origin.actor !== batch.origin.actor) return { ...batch, left: queue.slice(index), more: true };
    const outcome = decideOne(mailbox, batch, queued.command, context);
    if (outcome === 'full') return { ...batch, left: queue.slice(index), more: true };
    // A waking ends one late step, whose failure may close the next: again until none is late. It waits for all of it.
    const again = queued.command.type === 'WakeUp' && outcome.changed;
    if (!again) batch.answers.push({ queued, ...outcome });
    const left = queue.slice(again ? index : index + 1);
    if (!moveTokens(mailbox, batch, context)) return { ...batch, left, more: true };
    if (again) index -= 1;
  }
  if (batch.events.length === 0) batch.origin = given.owner?.origin ?? NOBODY;
  batch.more = !startAttempts(mailbox, batch, context);
  return batch;
};

/** What was started by this very batch has not been sent either. */
const isUnsentOf =
  ({ runId }: Mailbox, { attempts }: DecisionBatch, owner: Owner | null): IsUnsent =>
  (step, attempt) =>
    owner?.isUnsent(runId, step, attempt) === true ||
    attempts.some((started) => started.step === step && started.attempt === attempt);

type Outcome = { readonly rejection: Rejection | null; readonly changed: boolean };
const UNCHANGED: Outcome = { rejection: null, changed: false };
const CHANGED: Outcome = { rejection: null, changed: true };

const decideOne = (
  mailbox: Mailbox,
  batch: DecisionBatch,
  command: RunCommand,
  context: Deciding,
): Outcome | 'full' => {
  const { plan } = mailbox;
  if (plan === null) return { rejection: { code: 'run-not-found' }, changed: false };
  const { atMs, limits, isUnsent } = context;
  const decision = decide(command, mailbox.state, { plan, atMs, limits, isUnsent });
  if (!decision.accepted) return { rejection: decision.rejection, changed: false };
  if (decision.events.length === 0) return UNCHANGED;
  const taken = take(mailbox, batch, decision.events, context.at);
  if (taken === 'full') return 'full';
  if (taken === 'too-large') return decideSmaller(mailbox, batch, command, context);
  for (const event of decision.events) {
    if (event.type === 'StepCancelled') noteAbandoned(mailbox, batch, event.steps, context.owner);
    else if (event.type === 'AttemptFailed' && command.type === 'WakeUp')
      noteAbandoned(mailbox, batch, [event], context.owner);
  }
  return CHANGED;
};

/** What this decision ends while it is in flight: nothing more of it is sent, and once it is committed it is cut off. */
const noteAbandoned = (
  { runId }: Mailbox,
  batch: DecisionBatch,
  steps: readonly { readonly step: StepKey; readonly attempt: number | null }[],
  owner: Owner | null,
): void => {
  for (const { step, attempt } of steps) {
    if (attempt === null) continue;
    owner?.withhold(runId, step, attempt);
    batch.abandoned.push({ step, attempt });
  }
};

/** What no append would hold is not tried for ever: a start is refused, and an answer fails its attempt, by name. */
const decideSmaller = (
  mailbox: Mailbox,
  batch: DecisionBatch,
  command: RunCommand,
  context: Deciding,
): Outcome | 'full' => {
  if (command.type === 'StartRun') return { rejection: { code: 'too-large' }, changed: false };
  assert(command.type === 'CompleteAttempt', `no append holds what ${command.type} makes of ${mailbox.runId}`);
  const { step, attempt, status } = command;
  const cause = `the answer, with what follows from it, takes more than the ${APPEND_BYTES_MAX} bytes of an append`;
  const failed = {
    type: 'FailAttempt',
    step,
    attempt,
    class: 'may-have-executed',
    retryable: false,
    status,
    error: { name: 'Stepwell.PayloadTooLarge', cause },
    body: null,
    retryAfterMs: null,
    jitter: 0,
  } as const;
  return decideOne(mailbox, batch, failed, context);
};

/** Folds the events and adds them to the batch, if they fit. */
const take = (
  mailbox: Mailbox,
  batch: DecisionBatch,
  events: readonly RunEvent[],
  at: string,
): 'taken' | 'full' | 'too-large' => {
  const encoded = events.map(encodeRunEvent);
  let bytes = 0;
  for (const event of encoded) bytes += bytesOf(event);
  const full = batch.events.length + encoded.length > APPEND_EVENTS_MAX || batch.bytes + bytes > APPEND_BYTES_MAX;
  if (full && batch.events.length > 0) return 'full';
  if (full && !fitsAlone(encoded)) return 'too-large';
  batch.bytes += bytes;
  for (const event of encoded) batch.events.push(event);
  for (const event of events) foldEvent(mailbox, event, at);
  return 'taken';
};

const fitsAlone = (events: readonly NewEvent[]): boolean => {
  let bytes = ENVELOPE_BYTES;
  for (const { data } of events) bytes += Buffer.byteLength(data) + EVENT_BYTES;
  return events.length <= APPEND_EVENTS_MAX && bytes <= APPEND_BYTES_MAX;
};

// Three bytes a character is the worst of UTF-8; exact only where that bound would cost room.
const bytesOf = (event: NewEvent): number =>
  (event.data.length < 16_384 ? event.data.length * 3 : Buffer.byteLength(event.data)) + EVENT_BYTES;

const ADVANCE: RunCommand = { type: 'Advance' };

/** False when the append is full and tokens still can move. */
const moveTokens = (mailbox: Mailbox, batch: DecisionBatch, context: Deciding): boolean => {
  while (mailbox.state !== null && mailbox.state.obligations.moves.size > 0) {
    const moved = decideOne(mailbox, batch, ADVANCE, context);
    if (moved === 'full') return false;
    assert(moved.changed, `a token of ${mailbox.runId} is owed a move and cannot make it`);
  }
  return true;
};

/** Starts what is owed now, while slots and room last; false when room is what ended it. Without a grant a step stays owed. */
const startAttempts = (mailbox: Mailbox, batch: DecisionBatch, context: Deciding): boolean => {
  const { state } = mailbox;
  const { owner } = context;
  if (owner === null || state === null || isEnded(state)) return true;
  const { ready, retries } = state.obligations;
  if (ready.size === 0 && retries.size === 0) return true;
  const owed = [...ready];
  for (const [key, dueAt] of retries) if (dueAt <= context.at) owed.push(key);
  // Asked once a decision: of a thousand branches that wait for the same, one question tells for all.
  let refused: Set<string | null> | null = null;
  for (const key of owed) {
    const step = state.steps.get(key);
    if (step === undefined) continue;
    const grant = refused?.has(owner.endpointOf(step)) === true ? null : owner.grant(mailbox.runId, step, state);
    if (grant === null) {
      refused ??= new Set();
      refused.add(owner.endpointOf(step));
      continue;
    }
    const outcome = decideOne(mailbox, batch, { type: 'StartAttempt', step: key, grant }, context);
    const started = step.attempts.at(-1);
    if (outcome !== 'full' && outcome.changed && started?.outcome === 'running') {
      batch.attempts.push({ step: key, attempt: started.number });
      continue;
    }
    owner.refund(step, state);
    if (outcome === 'full') return false;
    // The step failed instead of starting (a limit): its failure moves on.
    if (!moveTokens(mailbox, batch, context)) return false;
  }
  return true;
};

/** Tells the senders of a batch, and the log of the process, what came of it, once it is committed. */
export const answer = (log: Log, mailbox: Mailbox, batch: DecisionBatch): void => {
  const loaded = loadedOf(mailbox);
  if (loaded !== null && batch.events.length > 0) writeRunLines(log, mailbox.runId, loaded.run, batch.events);
  for (const { queued, rejection, changed } of batch.answers) {
    if (queued.done !== null) callBack(log, mailbox.runId, queued.done, resultOf(loaded, rejection, changed));
  }
};

export const commandsOf = (batch: DecisionBatch): Queued[] => batch.answers.map(({ queued }) => queued);

/** Gives back the slots of attempts that will not be made. */
export const refundAttempts = (owner: Owner | null, mailbox: Mailbox, { attempts }: DecisionBatch): void => {
  const { state } = mailbox;
  for (const { step } of attempts) {
    const known = state?.steps.get(step);
    if (state !== null && known !== undefined) owner?.refund(known, state);
  }
};

/** The stream has moved on, and the decision is void: its commands are decided again, on what the stream says then. */
export const putBack = (log: Log, owner: Owner | null, mailbox: Mailbox, batch: DecisionBatch): void => {
  refundAttempts(owner, mailbox, batch);
  mailbox.conflicts += 1;
  const again = commandsOf(batch);
  if (mailbox.conflicts > CONFLICTS_MAX) {
    const cause = new Error(`the run's stream moved ${CONFLICTS_MAX} times while a command was decided`);
    refuseAll(log, mailbox.runId, again, cause);
  } else mailbox.queue.unshift(...again);
  // It ran ahead of the log.
  mailbox.state = null;
};

/**
 * The log had no room, and has nothing of the batch: tells its senders, and forgets the run's state, which whoever is next to ask
 * has read again. What the run is owed is its owner's to see to when there may be room; of one that is not in the log nothing is.
 */
export const refuseBatch = (
  log: Log,
  owner: Owner | null,
  mailbox: Mailbox,
  batch: DecisionBatch,
  fault: LogFull,
): void => {
  // Before slots are given back: they are offered to other runs.
  if (mailbox.position !== LOG_START) owner?.stalled(mailbox.runId);
  refundAttempts(owner, mailbox, batch);
  mailbox.state = null;
  mailbox.loaded = false;
  mailbox.more = false;
  refuseAll(log, mailbox.runId, commandsOf(batch), fault);
  mailbox.busy = false;
  wakeIdle(mailbox, null);
};
