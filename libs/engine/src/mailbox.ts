import assert from 'node:assert/strict';
import { isEnded, Undo, type Evaluation, type Plan, type RunState, type ScopeKey } from '#domain';
import { LOG_START, NO_STREAM, runStream } from '#event-store';
import type { AppendOutcome, Commit, LogFull, Position, Revision, StreamName } from '#event-store';
import { instantOf } from '#runtime';
import { answer, appendOf, commandsOf, decideBatch, refundAttempts, type DecisionBatch } from './decision-batch.js';
import { CONFLICTS_MAX, conflictPauseMs } from './conflict-pause.js';
import type { Deciding, EngineParts } from './engine-parts.js';
import { askFor, isAwaiting } from './evaluator.js';
import { firstPlanOf, foldCommit, loadedOf, loadRun, StreamBroken, type KnownRun } from './load-run.js';
import { wasLeftUnknown } from './log-appends.js';
import { isPassing } from './log-trouble.js';
import { isAtRest, LEFT, STOPPED, TRANSITIONS, type Phase, type Signal } from './mailbox-phase.js';
import { attemptsToInherit, loseAttempts } from './owner.js';
import { refuseAll, type QueuedCommand } from './queued-command.js';
import { answeredNext, answerReaders, EndCalls, type Reader, type Readers } from './readers.js';
import type { EndCall, Fact, RunId } from './runs.js';

/**
 * One run in memory: what is known of it, and the commands that wait while a decision of it is under way. The commands that
 * came meanwhile are decided together, on what the log says of the run, and are one append; when the log says something else by
 * then, they are decided again on that.
 */
export class Mailbox implements KnownRun, Readers {
  phase: Phase = 'unread';
  readonly stream: StreamName;
  state: RunState | null = null;
  plan: Plan | null = null;
  position: Position = LOG_START;
  startedAt: Position = LOG_START;
  traceparent: string | null = null;
  bytes = 0;
  facts: Fact[] | null = null;
  queue: QueuedCommand[] = [];
  deciding: Deciding | null = null;
  /** What moves need that is evaluated elsewhere. */
  evaluating: Map<ScopeKey, Evaluation> | null = null;
  asked: Reader[] | null = null;
  answering: Reader[] | null = null;
  /** Called once when the run has ended, or the step of it that they wait for. */
  readonly awaitingEnd = new EndCalls();
  /** Something is owed at once, though no command waits. */
  isMoreOwed = false;
  /** Until which tick of the coalescer what is queued waits; 0: it does not. */
  coalesceUntil = 0;
  private conflicts = 0;
  /** On a shared log: the last revision that the subscription has brought. */
  private observed = -1;
  private closedBy: Error = LEFT;

  constructor(
    readonly runId: RunId,
    private readonly engine: EngineParts,
  ) {
    this.stream = runStream(runId);
  }

  /** Something is done with it at this moment. */
  get isBusy(): boolean {
    return this.phase !== 'unread' && !isAtRest(this);
  }

  /** Whether work on the run is under way. Of a run that is only looked at or waited for it is not: nobody would wake it. */
  get hasWork(): boolean {
    return this.queue.length > 0 || (this.state !== null && (this.isBusy || isAwaiting(this)));
  }

  /** Decides as if the run were new: if it is not, its first append is a conflict. */
  presumeNew(traceparent: string | null): void {
    this.transit('presumed new');
    this.traceparent = traceparent;
  }

  /** Has a command decided as soon as nothing else is under way. */
  send(queued: QueuedCommand): void {
    const { log, parked } = this.engine;
    const refusal = this.phase === 'closed' ? this.closedBy : parked.get(this.runId);
    if (refusal !== null) {
      refuseAll(log, this.runId, [queued], refusal);
      return this.lookAtEnd();
    }
    this.queue.push(queued);
    if (this.phase === 'unread') void this.read();
    else if (isAtRest(this)) this.guarded(() => this.decide());
  }

  /** Calls back when the state is the log's, and current: it is to be read in that turn of the event loop. */
  ask(reader: Reader): void {
    if (this.phase === 'closed') return reader.call(this.closedBy);
    if (!this.engine.isShared && (isAtRest(this) || this.phase === 'shown')) return reader.call(null);
    (this.asked ??= []).push(reader);
    if (!this.isBusy) void this.read();
  }

  /** Keeps the state as it is until the readers have looked at it; one turn for all, so that they keep no command waiting. */
  show(): void {
    if (this.phase === 'shown' || this.phase === 'closed') return;
    this.transit('show');
    setImmediate(() => {
      if (this.phase === 'shown') this.guarded(() => this.rest());
    });
  }

  /** Another process has appended. Folded when it follows what is known, else the tail is read. */
  observe(commit: Commit): void {
    const revision = this.state?.revision ?? -1;
    this.observed = Math.max(this.observed, commit.firstRevision + commit.count - 1);
    if (this.phase === 'closed' || this.isBusy || this.observed <= revision) return;
    try {
      const plan = this.plan ?? firstPlanOf(commit, this.engine.plans);
      if (plan === null || commit.firstRevision !== revision + 1) return void this.read();
      this.transit('observe');
      foldCommit(this, commit);
      this.plan = plan;
    } catch (cause) {
      return this.unreadable(cause);
    }
    this.guarded(() => this.publish(commit.firstRevision === 0));
  }

  /** Looks whether those who wait for the end can be told. */
  lookAtEnd(): void {
    if (this.phase === 'unread') void this.read();
    else if (this.phase === 'resting') this.guarded(() => this.goOn());
  }

  /** The log cannot be followed for those who wait for the end. */
  unfollowed(cause: unknown): void {
    if (this.isBusy) this.engine.endWaiters.lookLater(this.runId);
    else this.fail(cause);
  }

  /** Waits no more for the end. */
  stopAwaitingEnd(call: EndCall): void {
    if (!this.engine.endWaiters.takeBack(this, call)) return;
    if (this.phase === 'resting') this.guarded(() => this.goOn());
    else if (this.phase === 'unread' && this.awaitingEnd.size === 0) this.leave();
  }

  /** The coalescer has waited long enough. */
  coalesced(): void {
    if (this.phase === 'coalescing') this.guarded(() => this.decide());
  }

  /** Makes room, if the run has nothing to do. */
  evict(): void {
    if (this.phase === 'resting' && this.queue.length === 0) this.leave();
  }

  /** Stops at once: whoever waits is told why, and what is under way changes nothing here any more. */
  close(cause: Error): void {
    const { engine, runId, state } = this;
    const isEndCommitted = state !== null && isEnded(state) && this.phase !== 'deciding' && this.phase !== 'appending';
    this.leave(cause);
    if (isPassing(cause) && this.awaitingEnd.size > 0) engine.endWaiters.move(this, engine.runs.of(runId));
    refuseAll(engine.log, runId, this.queue.splice(0), cause);
    answeredNext(this);
    answerReaders(this, cause);
    engine.endWaiters.tell(this, isEndCommitted ? loadedOf(this) : null);
  }

  /** What became of the append of a decision. */
  appended(deciding: Deciding, outcome: AppendOutcome): void {
    const { engine } = this;
    const { batch } = deciding;
    const fresh = deciding.append.expected === NO_STREAM;
    this.deciding = null;
    engine.room.noteOutcome(outcome);
    if (this.phase === 'closed') this.appendedLate(batch, outcome, fresh);
    else if (outcome.status === 'appended') this.guarded(() => this.committed(batch, outcome.position, fresh));
    else if (outcome.status === 'conflict') this.guarded(() => this.conflict(deciding));
    else if (outcome.status === 'refused') this.guarded(() => this.noRoom(batch, outcome.fault));
    else {
      refundAttempts(engine.owner, this, batch);
      this.fail(outcome.cause, commandsOf(batch), wasLeftUnknown(deciding, outcome.cause));
    }
    engine.underWay.end();
  }

  private transit(signal: Signal): void {
    const next = TRANSITIONS[this.phase][signal];
    // No message is made where none is needed: this stands in the hottest path.
    if (next === undefined) assert.fail(`the mailbox of ${this.runId} is ${this.phase}: no "${signal}" now`);
    this.phase = next;
  }

  private async read(): Promise<void> {
    const { store, plans, underWay } = this.engine;
    underWay.begin();
    const { observed } = this;
    try {
      this.transit('read');
      answeredNext(this);
      this.plan = (await loadRun(store, plans, this.stream, this)) ?? this.plan;
    } catch (cause) {
      this.unreadable(cause);
    }
    if (this.phase === 'reading')
      this.guarded(() => {
        this.transit('loaded');
        if (this.observed === observed) this.observed = -1; // else it may have come too late for this read
        this.publish(false);
      });
    underWay.end();
  }

  private decide(): void {
    const { engine } = this;
    const { owner, limits } = engine;
    if (engine.isAbandoned) return this.close(STOPPED);
    if (engine.coalescer.keeps(this)) return this.phase === 'resting' ? this.transit('coalesce') : undefined;
    // Until all is answered: a slot that is given back may wake this very run, and an answer may ask something of it.
    this.transit('decide');
    const { queue } = this;
    this.queue = [];
    const expected = (this.state?.revision ?? NO_STREAM) as Revision; // a domain revision is the store's
    const atMs = engine.clock.nowMs();
    const at = instantOf(atMs);
    // Of a run that nobody else appends to, or that is not in the log yet, nothing is ever taken back.
    const undo = engine.isShared && this.state !== null ? new Undo() : null;
    const { bytes, evaluating } = this;
    let batch: DecisionBatch;
    try {
      batch = decideBatch(this, queue, { atMs, at, limits, owner, undo, evaluating });
    } catch (cause) {
      return this.park(cause, queue);
    }
    this.queue.unshift(...batch.left);
    this.isMoreOwed = batch.more;
    if (batch.events.length === 0) {
      this.transit('decided nothing');
      answer(engine.log, this, batch);
      this.answerReaders();
      return this.published(batch);
    }
    const append = appendOf(this, batch, { expected, at, commandId: engine.entropy.hex(16), owner });
    this.transit('append');
    engine.underWay.begin();
    answeredNext(this);
    this.deciding = { mailbox: this, batch, append, undo, bytes, sent: 0, unknown: 0 };
    engine.appends.append(this.deciding);
  }

  private committed(batch: DecisionBatch, position: Position, fresh: boolean): void {
    const { counts, log, owner } = this.engine;
    this.transit('committed');
    this.conflicts = 0;
    this.position = position;
    counts.committed(batch.events, fresh);
    answer(log, this, batch);
    this.answerReaders();
    const { runId, state, plan, traceparent } = this;
    const { attempts, abandoned } = batch;
    if (this.phase === 'closed') refundAttempts(owner, this, batch);
    else if (owner !== null && state !== null && plan !== null)
      owner.committed({ runId, run: state, plan, traceparent, position, fresh, attempts, abandoned });
    this.published(batch);
  }

  /**
   * The stream has moved on, and the decision is void: its commands are decided again, on what the stream says then. What was
   * known before the decision is known still, so that only the tail is read.
   */
  private conflict({ batch, undo, bytes }: Deciding): void {
    const { log, owner, clock, entropy, underWay } = this.engine;
    refundAttempts(owner, this, batch);
    undo?.takeBack();
    if (undo === null) this.state = null;
    this.bytes = bytes;
    this.conflicts += 1;
    const again = commandsOf(batch);
    if (this.conflicts > CONFLICTS_MAX) {
      const cause = new Error(`the run's stream moved ${CONFLICTS_MAX} times while a command was decided`);
      refuseAll(log, this.runId, again, cause);
    } else this.queue.unshift(...again);
    this.transit('conflict');
    const pauseMs = conflictPauseMs(this.conflicts, entropy.jitter());
    if (pauseMs === 0) return void this.read();
    underWay.begin();
    clock.after(pauseMs, () => {
      if (this.phase === 'pausing') void this.read();
      underWay.end();
    });
  }

  /** The log has nothing of the batch. What the run is owed its owner sees to when there is room; without a start nothing is. */
  private noRoom(batch: DecisionBatch, fault: LogFull): void {
    const { log, owner } = this.engine;
    // Before slots are given back: they are offered to other runs.
    if (this.position !== LOG_START) owner?.stalled(this.runId);
    refundAttempts(owner, this, batch);
    this.state = null;
    this.isMoreOwed = false;
    refuseAll(log, this.runId, commandsOf(batch), fault);
    this.transit('no room');
    if (this.queue.length > 0 || this.asked !== null || this.answering !== null) void this.read();
    else if (this.awaitingEnd.size === 0) this.leave();
  }

  /** The outcome of an append of a run that has left memory meanwhile. */
  private appendedLate(batch: DecisionBatch, outcome: AppendOutcome, fresh: boolean): void {
    const { counts, log, owner } = this.engine;
    refundAttempts(owner, this, batch);
    if (outcome.status !== 'appended') return refuseAll(log, this.runId, commandsOf(batch), this.closedBy);
    this.position = outcome.position;
    counts.committed(batch.events, fresh);
    answer(log, this, batch);
  }

  private answerReaders(): void {
    // Nobody else appends: what is known now is all that there is, whenever they asked.
    if (!this.engine.isShared) answeredNext(this);
    answerReaders(this, null);
    this.engine.endWaiters.tellOfSteps(this);
  }

  /** The state is what the log says of the run: tells the owner, who takes over what another boot has left, and the readers. */
  private publish(fresh: boolean): void {
    const { owner, counts, isShared, parked } = this.engine;
    const { runId, state, plan, traceparent, position } = this;
    if (owner !== null && state !== null && plan !== null && parked.get(runId) === null) {
      if (isShared) owner.observed({ runId, run: state, plan, traceparent, position, fresh });
      const lost = attemptsToInherit(this, owner);
      counts.unknown += lost;
      if (lost > 0) this.queue.unshift(loseAttempts(this, owner));
      // Others may have left something to do.
      this.isMoreOwed ||= isShared && !isEnded(state);
    }
    this.answerReaders();
    this.published(null);
  }

  /** All are told; readers may still look, or what was told has closed the mailbox. */
  private published(batch: DecisionBatch | null): void {
    if (batch !== null && batch.needs !== null && this.phase !== 'closed') askFor(batch.needs, this, this.engine);
    if (this.phase === 'publishing') this.rest();
  }

  private rest(): void {
    this.transit('rest');
    this.goOn();
  }

  /** At rest: goes on with what came in meanwhile, tells who waits for the end, or lets the run leave memory. */
  private goOn(): void {
    const { state, engine } = this;
    if (engine.isAbandoned) return this.close(STOPPED);
    if (this.queue.length > 0 || this.isMoreOwed) return this.decide();
    if (engine.isShared && (this.asked !== null || this.observed > (state?.revision ?? -1))) return void this.read();
    this.answerReaders();
    // Readers look at it now.
    if (this.phase !== 'resting') return;
    if (state === null || isEnded(state)) {
      engine.endWaiters.tell(this, loadedOf(this));
      return this.leave();
    }
    if (this.awaitingEnd.size === 0) this.facts = null;
    // Without an owner nobody here hears of the attempts in flight.
    const isAwaited = this.awaitingEnd.size > 0 || (engine.owner !== null && isAwaiting(this));
    engine.runs[isAwaited ? 'busy' : 'idle'](this);
  }

  /** Tells everyone that it failed and forgets the run: the next to ask has it read again. Who waits for its end waits on. */
  private fail(cause: unknown, commands: readonly QueuedCommand[] = [], isSaid = false): void {
    if (this.phase === 'closed') return;
    const { appends, log } = this.engine;
    if (isPassing(cause) && !isSaid) appends.trouble.unread(cause);
    else if (!isSaid) log.error('a run could not be read or written', { runId: this.runId, err: cause });
    this.state = null;
    this.queue.unshift(...commands);
    this.close(cause instanceof Error ? cause : new Error(String(cause)));
  }

  /** What is the same at each read is not read for each command again. */
  private unreadable(cause: unknown): void {
    if (cause instanceof StreamBroken || cause instanceof assert.AssertionError) this.park(cause);
    else this.fail(cause);
  }

  /** Nothing that goes wrong with one run ends the process, or is seen by another run. */
  private guarded(work: () => void): void {
    try {
      work();
    } catch (cause) {
      this.park(cause);
    }
  }

  /** A bug. What may be wrong in memory is dropped, and nothing is decided on it, nor is the same tried again and again. */
  park(cause: unknown, commands: readonly QueuedCommand[] = []): void {
    if (this.phase === 'closed') return;
    this.fail(this.engine.parked.park(this.runId, cause), commands, true);
  }

  private leave(cause = LEFT): void {
    this.transit('close');
    this.closedBy = cause;
    this.engine.runs.delete(this);
  }
}
