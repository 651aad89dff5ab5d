import assert from 'node:assert/strict';
import {
  decide,
  dueRetries,
  isBelow,
  isEnded,
  type Evaluation,
  type IsUnsent,
  type RunEvent,
  type RunLimits,
  type ScopeKey,
  type StepKey,
  type Undo,
} from '#domain';
import { APPEND_BYTES_MAX, APPEND_EVENTS_MAX, encodeRunEvent } from '#event-store';
import type { Append, NewEvent, Revision, StreamName } from '#event-store';
import type { Rejection, RunCommand } from '#domain';
import type { Log } from '#runtime';
import { isAwaited, settle, type Evaluations } from './evaluator.js';
import { foldEvent, keepFacts, loadedOf, type KnownRun } from './load-run.js';
import { audienceOf, type AttemptPlace, type Owner, type StartedAttempt } from './owner.js';
import { resultOf, type QueuedCommand } from './queued-command.js';
import { writeRunLines } from './run-lines.js';
import { callBack } from './readers.js';
import { NOBODY, type Fact, type Origin } from './runs.js';

// Room for the envelope and for the commas between events.
const ENVELOPE_BYTES = 2048;
// Of what stands around the text of an event.
const EVENT_BYTES = 64;

type Answer = { readonly queued: QueuedCommand; readonly rejection: Rejection | null; readonly changed: boolean };

/** All that one append holds: the events of every command that was waiting, and of what became owed by them. */
export type DecisionBatch = {
  readonly events: NewEvent[];
  /** The same, where they are kept for whoever waits. */
  readonly facts: Fact[];
  /** Who asked for what is in it: of one append the events have one actor. */
  origin: Origin;
  readonly answers: Answer[];
  readonly attempts: StartedAttempt[];
  /** In flight until now, and ended by something else than what came of them. */
  readonly abandoned: AttemptPlace[];
  /** What moves need that are not made; asked for once the append is in the log. `null`: nothing. */
  needs: Map<ScopeKey, Evaluation> | null;
  /** Commands that did not fit; they go first next time. */
  left: QueuedCommand[];
  /** True when the append is full and more is owed at once. */
  more: boolean;
  bytes: number;
};

export type BatchContext = {
  readonly atMs: number;
  readonly at: string;
  readonly limits: RunLimits;
  readonly owner: Owner | null;
  /** Where it is noted how to take the decision back; `null`: it is not, since nobody else appends to the run. */
  readonly undo: Undo | null;
  /** What is evaluated now. */
  readonly evaluating: Evaluations;
};

type Deciding = BatchContext & {
  readonly isUnsent: IsUnsent;
  /** Tokens are moved by who holds the run alone: what others decide at the same time would be in each other's way. */
  readonly movesTokens: boolean;
};

/**
 * Decides the waiting commands in order and folds each decision into the known's state; whoever holds the run lets tokens move
 * and starts the attempts that have grants: together one append. What does not fit stays owed and follows.
 */
export const decideBatch = (known: KnownRun, queue: readonly QueuedCommand[], given: BatchContext): DecisionBatch => {
  const batch: DecisionBatch = {
    events: [],
    facts: [],
    origin: given.owner?.origin ?? NOBODY,
    answers: [],
    attempts: [],
    abandoned: [],
    needs: null,
    left: [],
    more: false,
    bytes: ENVELOPE_BYTES,
  };
  try {
    return fill(known, batch, queue, given);
  } catch (bug) {
    refundAttempts(given.owner, known, batch);
    throw bug;
  }
};

const fill = (
  known: KnownRun,
  batch: DecisionBatch,
  queue: readonly QueuedCommand[],
  given: BatchContext,
): DecisionBatch => {
  const { owner } = given;
  const isUnsent = isUnsentOf(known, batch, owner);
  const context = { ...given, isUnsent, movesTokens: owner?.holds(known.runId) === true };
  if (!moveTokens(known, batch, context)) return { ...batch, left: [...queue], more: true };
  for (let index = 0; index < queue.length; index++) {
    const queued = queue[index]!;
    if (known.state === null) known.plan = queued.plan;
    if (batch.events.length === 0) batch.origin = queued.origin;
    // Whose wish something was is said of the whole append.
    else if (queued.origin.actor !== batch.origin.actor) return { ...batch, left: queue.slice(index), more: true };
    const outcome = decideOne(known, batch, queued.command, context);
    if (outcome === 'full') return { ...batch, left: queue.slice(index), more: true };
    // A waking ends one late step, whose failure may close the next: again until none is late. It waits for all of it.
    const again = queued.command.type === 'WakeUp' && outcome.changed;
    if (queued.command.type === 'Evaluated') settle(queued.command, batch.needs, given.evaluating);
    if (!again) batch.answers.push({ queued, ...outcome });
    const left = queue.slice(again ? index : index + 1);
    if (!moveTokens(known, batch, context)) return { ...batch, left, more: true };
    if (again) index -= 1;
  }
  if (batch.events.length === 0) batch.origin = owner?.origin ?? NOBODY;
  batch.more = !startAttempts(known, batch, context);
  return batch;
};

/** What was started by this very batch has not been sent either. */
const isUnsentOf =
  ({ runId }: KnownRun, { attempts }: DecisionBatch, owner: Owner | null): IsUnsent =>
  (step, attempt) =>
    owner?.isUnsent(runId, step, attempt) === true ||
    attempts.some((started) => started.step === step && started.attempt === attempt);

type Outcome = { readonly rejection: Rejection | null; readonly changed: boolean };
const UNCHANGED: Outcome = { rejection: null, changed: false };
const CHANGED: Outcome = { rejection: null, changed: true };

const decideOne = (known: KnownRun, batch: DecisionBatch, command: RunCommand, context: Deciding): Outcome | 'full' => {
  const { plan } = known;
  if (plan === null) return { rejection: { code: 'run-not-found' }, changed: false };
  const { atMs, limits, isUnsent } = context;
  const decision = decide(command, known.state, { plan, atMs, limits, isUnsent });
  if ('needs' in decision) {
    // Asked for after the commit, and the scope waits.
    (batch.needs ??= new Map()).set(decision.needs.scope, decision.needs);
    return UNCHANGED;
  }
  if (!decision.accepted) return { rejection: decision.rejection, changed: false };
  if (decision.events.length === 0) return UNCHANGED;
  const abandoned = abandonedBy(decision.events, command, known.state);
  const taken = take(known, batch, decision.events, context);
  if (taken === 'full') return 'full';
  if (taken === 'too-large') return decideSmaller(known, batch, command, context);
  for (const { step, attempt } of abandoned) {
    context.owner?.withhold(known.runId, step, attempt);
    batch.abandoned.push({ step, attempt });
  }
  return CHANGED;
};

const NONE: readonly AttemptPlace[] = [];

/** What a decision ends while it is in flight: nothing more of it is sent, and once it is committed it is cut off. */
const abandonedBy = (
  events: readonly RunEvent[],
  { type }: RunCommand,
  state: KnownRun['state'],
): readonly AttemptPlace[] => {
  let answered: StepKey | null = null;
  for (const event of events) {
    if (event.type === 'AttemptFailed') {
      if (type === 'WakeUp') return [{ step: event.step, attempt: event.attempt }];
      answered = event.step;
    }
    if (event.type !== 'StepCancelled' || state === null) continue;
    // By the run and not by the event, whose list is bounded.
    const abandoned: AttemptPlace[] = [];
    for (const step of state.obligations.inFlight.keys()) {
      const attempt = state.steps.get(step)?.attempts.at(-1)?.number;
      if (attempt !== undefined && step !== answered && isBelow(step, event.below)) abandoned.push({ step, attempt });
    }
    return abandoned;
  }
  return NONE;
};

/** What no append would hold is not tried for ever: a start is refused, and an answer fails its attempt, by name. */
const decideSmaller = (
  known: KnownRun,
  batch: DecisionBatch,
  command: RunCommand,
  context: Deciding,
): Outcome | 'full' => {
  if (command.type === 'StartRun') return { rejection: { code: 'too-large' }, changed: false };
  assert(command.type === 'CompleteAttempt', `no append holds what ${command.type} makes of ${known.runId}`);
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
  return decideOne(known, batch, failed, context);
};

/** Folds the events and adds them to the batch, if they fit. */
const take = (
  known: KnownRun,
  batch: DecisionBatch,
  events: readonly RunEvent[],
  { at, undo }: Deciding,
): 'taken' | 'full' | 'too-large' => {
  const encoded = events.map(encodeRunEvent);
  let bytes = 0;
  for (const event of encoded) bytes += bytesOf(event);
  const full = batch.events.length + encoded.length > APPEND_EVENTS_MAX || batch.bytes + bytes > APPEND_BYTES_MAX;
  if (full && batch.events.length > 0) return 'full';
  if (full && !fitsAlone(encoded)) return 'too-large';
  batch.bytes += bytes;
  for (const event of encoded) batch.events.push(event);
  for (const event of events) {
    if (known.facts !== null) batch.facts.push({ event, at });
    foldEvent(known, event, at, undo);
  }
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

/** False when the append is full and tokens still can move here. */
const moveTokens = (known: KnownRun, batch: DecisionBatch, context: Deciding): boolean => {
  const { state } = known;
  if (state === null || !context.movesTokens) return true;
  const { moves } = state.obligations;
  // A scope that becomes able to move meanwhile is visited as well: it is added at the end.
  for (const scope of moves) {
    while (moves.has(scope) && !isAwaited(context.evaluating, scope, state) && !isAwaited(batch.needs, scope, state)) {
      const moved = decideOne(known, batch, { type: 'Advance', scope }, context);
      if (moved === 'full') return false;
      assert(
        moved.changed || isAwaited(batch.needs, scope, state),
        `the token of ${known.runId} in "${scope}" is owed a move and cannot make it`,
      );
    }
  }
  return true;
};

/** Starts what is owed now, while slots and room last; false when room is what ended it. Without a grant a step stays owed. */
const startAttempts = (known: KnownRun, batch: DecisionBatch, context: Deciding): boolean => {
  const { state } = known;
  const { owner } = context;
  if (owner === null || state === null || isEnded(state)) return true;
  const { ready, dues } = state.obligations;
  const due = dueRetries(dues, context.atMs);
  if (ready.size === 0 && due.length === 0) return true;
  // Steps that go to one url need the same slots: what one is refused, all are.
  let refused: Set<string> | null = null;
  for (const [url, keys] of ready) {
    // What is started leaves the set, which is not copied: it may hold ten thousand, of which one is started.
    for (const key of keys) {
      const started = startAttempt(known, batch, key, owner, context);
      if (started === 'full') return false;
      if (started === 'started') continue;
      refused ??= new Set();
      refused.add(url);
      break;
    }
  }
  for (const key of due) {
    const url = state.steps.get(key)?.request?.url ?? '';
    if (refused?.has(url) === true) continue;
    const started = startAttempt(known, batch, key, owner, context);
    if (started === 'full') return false;
    if (started === 'refused') (refused ??= new Set()).add(url);
  }
  return true;
};

/** `full`: the append has no room. A step that fails instead of starting (a limit) counts as started: it is not owed any more. */
const startAttempt = (
  known: KnownRun,
  batch: DecisionBatch,
  key: StepKey,
  owner: Owner,
  context: Deciding,
): 'started' | 'refused' | 'full' => {
  const { state } = known;
  const step = state?.steps.get(key);
  if (state === null || step === undefined) return 'started';
  const grant = owner.grant(known.runId, step, state);
  if (grant === null) return 'refused';
  let isStarted = false;
  let outcome: Outcome | 'full';
  try {
    outcome = decideOne(known, batch, { type: 'StartAttempt', step: key, grant }, context);
    const last = step.attempts.at(-1);
    if (outcome !== 'full' && outcome.changed && last?.outcome === 'running') {
      batch.attempts.push({ step: key, attempt: last.number, url: step.request?.url ?? '' });
      isStarted = true;
    }
  } finally {
    // Also when a bug stops the run in here: the slot would be nobody's for ever.
    if (!isStarted) owner.refund(step.request?.url ?? '', state);
  }
  if (isStarted) return 'started';
  if (outcome === 'full') return 'full';
  // Its failure moves on.
  return moveTokens(known, batch, context) ? 'started' : 'full';
};

/** Tells the senders of a batch, and the log of the process, what came of it, once it is committed. */
export const answer = (log: Log, known: KnownRun, batch: DecisionBatch): void => {
  keepFacts(known, batch.facts);
  const loaded = loadedOf(known);
  if (loaded !== null && batch.events.length > 0) writeRunLines(log, known.runId, loaded.run, batch.events);
  for (const { queued, rejection, changed } of batch.answers) {
    if (queued.done !== null) callBack(log, known.runId, queued.done, resultOf(loaded, rejection, changed));
  }
};

type Decided = {
  /** Of the stream before the decision. */
  readonly expected: Revision;
  readonly at: string;
  /** Fresh: all ids of the append are made of it. */
  readonly commandId: string;
  readonly owner: Owner | null;
};

/** The append that records a decision; `known` is the run as it is after it. */
export const appendOf = (
  known: KnownRun & { readonly stream: StreamName },
  { events, origin }: DecisionBatch,
  { expected, at, commandId, owner }: Decided,
): Append => ({
  stream: known.stream,
  expected,
  events,
  envelope: { commandId, recordedAt: at, actor: origin.actor, traceparent: origin.traceparent ?? known.traceparent },
  audience: audienceOf(known, owner),
});

export const commandsOf = (batch: DecisionBatch): QueuedCommand[] => batch.answers.map(({ queued }) => queued);

/** Gives back the slots of attempts that will not be made. */
export const refundAttempts = (owner: Owner | null, known: KnownRun, { attempts }: DecisionBatch): void => {
  const { state } = known;
  if (state !== null) for (const { url } of attempts) owner?.refund(url, state);
};
