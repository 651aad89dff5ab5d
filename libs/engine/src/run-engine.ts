import { isEnded, type Plan, type RunCommand, type RunLimits, type Seen, type StartRun } from '#domain';
import { NO_STREAM, runStream, type AppendOutcome, type EventStore, type LogFull, type Revision } from '#event-store';
import { ChurnMap, instantOf, type Clock, type Entropy, type Log } from '#runtime';
import { Company } from './company.js';
import { appendOf } from './decision-append.js';
import { answer, commandsOf, decideBatch, putBack, refundAttempts, refuseBatch } from './decision-batch.js';
import type { DecisionBatch } from './decision-batch.js';
import { DuplicateStarts } from './duplicate-starts.js';
import { EndWaiters } from './end-waiters.js';
import { EngineCounts } from './engine-counts.js';
import { IdleRuns } from './idle-runs.js';
import { loadRun, type PlanSource } from './load-run.js';
import { LogAppends, wasLeftUnknown } from './log-appends.js';
import { LogRoom } from './log-room.js';
import { isPassing } from './log-trouble.js';
import { DISOWNED, hasWork, inheritAttempts, leftIn, loadedOf, newMailbox, refuseAll } from './mailbox.js';
import { startReplyOf, STOPPED, type CommandResult, type Deciding, type Mailbox, type Queued } from './mailbox.js';
import type { Owner } from './owner.js';
import { ANSWER_WITHIN_MS, isOver, isWanted, Patience, STOP_WITHIN_MS } from './patience.js';
import { answeredNext, answerReaders, wakeIdle, whenIdle } from './readers.js';
import { NOBODY, Runs, type CancelReply, type LoadedRun, type Origin, type RunId, type StartReply } from './runs.js';
import { SharedLog, type Inside } from './several-writers.js';
import { UnderWay } from './under-way.js';
import { waitsOf } from './waits.js';

export type EngineOptions = {
  readonly limits: RunLimits;
  /** Other processes append to the same runs: what is in memory is never taken for current. */
  readonly sharedLog?: boolean;
};

/**
 * One handler for all commands of all runs: load, fold, decide, append. What comes for a run while an append of it is in
 * flight, and what waits for company, is decided together into the next; a conflict reads the stream again and decides anew.
 */
export class RunEngine extends Runs {
  readonly counts = new EngineCounts();
  readonly waitsOf: Runs['waitsOf'] = (runId, run) => waitsOf(runId, run, this.owner, this.clock.nowMs());
  private readonly mailboxes = new ChurnMap<RunId, Mailbox>();
  private readonly idleRuns = new IdleRuns(this.mailboxes);
  private readonly duplicates: DuplicateStarts;
  private readonly company: Company;
  readonly room: LogRoom;
  private readonly appends: LogAppends<Deciding>;
  private readonly patience: Patience;
  /** `null` where this process alone appends to runs. */
  readonly shared: SharedLog | null;
  private owner: Owner | null = null;
  private readonly underWay = new UnderWay();
  private readonly waiters: EndWaiters;
  /** A stop has left work behind: no run is gone on with. */
  private abandoned = false;
  private stopping: Promise<void> | null = null;

  constructor(
    private readonly store: EventStore,
    private readonly plans: PlanSource,
    private readonly clock: Clock,
    private readonly entropy: Entropy,
    private readonly log: Log,
    private readonly options: EngineOptions,
  ) {
    super();
    this.shared = options.sharedLog ? new SharedLog(this.inside(), this.counts, plans, store, clock, log) : null;
    this.room = new LogRoom(clock, log);
    this.company = new Company(clock, (mailbox) => this.drain(mailbox));
    const isStillWanted = (deciding: Deciding): boolean => isWanted(deciding, clock.monotonicMs());
    const settled = (deciding: Deciding, outcome: AppendOutcome): void => this.appended(deciding, outcome);
    this.appends = new LogAppends(store, clock, entropy, log, this.counts, { isWanted: isStillWanted, settled });
    this.patience = new Patience(clock, log, this.mailboxes, () => this.appends.sift());
    this.waiters = new EndWaiters(clock, log, {
      look: (runId) => this.lookAtEnd(this.mailboxOf(runId)),
      left: (count) => this.shared?.waitNoMore(count),
    });
    this.duplicates = new DuplicateStarts(clock, this.counts, {
      write: (runId, command, done) => this.submit(runId, command, this.owner?.origin ?? NOBODY, done),
      isClosed: ({ run }) => run.archived !== null || run.revision + 1 >= options.limits.eventsMax,
    });
  }

  /** From now on attempts are started here, under this owner's grants. */
  ownedBy(owner: Owner): void {
    this.owner = owner;
  }

  start(runId: RunId, command: StartRun, plan: Plan, origin: Origin, settle: (reply: StartReply) => void): void {
    const mailbox = this.mailboxOf(runId);
    if (!mailbox.loaded && !mailbox.busy && command.fromStep === null) {
      // Nobody here knows this run: decide as if it were new. The append says so when it is not, by a conflict. Not so a
      // refusal, and a step may be unknown to the plan of today that the run once began at.
      mailbox.traceparent = origin.traceparent;
      mailbox.loaded = true;
    }
    this.enqueue(mailbox, {
      command,
      plan,
      origin,
      answerByMs: this.patience.begin(ANSWER_WITHIN_MS),
      done: (result) => settle(this.duplicates.answered(runId, startReplyOf(result))),
    });
  }

  cancel(runId: RunId, reason: string | null, origin: Origin, seen: Seen | null = null): Promise<CancelReply> {
    const mailbox = this.mailboxOf(runId);
    return new Promise((settle) => {
      const done = (result: CommandResult): void => {
        if (result.status !== 'accepted') return settle(result);
        this.hold(mailbox);
        settle({ status: 'cancelled', loaded: result.loaded });
      };
      const answerByMs = this.patience.begin(ANSWER_WITHIN_MS);
      this.enqueue(mailbox, { command: { type: 'CancelRun', reason, seen }, plan: null, origin, answerByMs, done });
    });
  }

  /** Hands a command to its run. `done` is called after the commit of what it led to, however long that takes. */
  submit(runId: RunId, command: RunCommand, origin: Origin, done: Queued['done']): void {
    this.enqueue(this.mailboxOf(runId), { command, plan: null, origin, answerByMs: Infinity, done });
  }

  async load(runId: RunId, withinMs = ANSWER_WITHIN_MS): Promise<LoadedRun | null> {
    const answerByMs = this.patience.begin(withinMs);
    if (this.shared !== null) return this.shared.load(runId, answerByMs);
    for (;;) {
      const mailbox = this.mailboxOf(runId);
      if (mailbox.loaded && (mailbox.held || !mailbox.busy)) {
        this.hold(mailbox);
        return loadedOf(mailbox);
      }
      // Who waits may be told before it ends that it takes too long, and what came meanwhile is to be gone on with all the same.
      if (!mailbox.busy) void this.read(mailbox).then(() => setImmediate(() => this.settled(mailbox)));
      const fault = await whenIdle(mailbox, answerByMs);
      if (fault !== null) throw fault;
    }
  }

  whenEnded(runId: RunId, call: (loaded: LoadedRun | null) => void): () => void {
    const asked = this.mailboxOf(runId);
    asked.ended.add(call);
    if (this.shared !== null) this.shared.awaitEnd(asked);
    else this.lookAtEnd(asked);
    return () => {
      // Not always where it was asked: what cannot be read is forgotten, but for who waits.
      const mailbox = this.mailboxes.get(runId);
      if (mailbox !== undefined && this.waiters.takeBack(mailbox, call) && !mailbox.busy) this.settled(mailbox);
    };
  }

  private lookAtEnd(mailbox: Mailbox): void {
    if (this.shared !== null) this.shared.awaitEndAgain(mailbox);
    else if (!mailbox.busy && mailbox.loaded) this.settled(mailbox);
    else if (!mailbox.busy) void this.read(mailbox).then(() => this.settled(mailbox));
  }

  /** Whether work on the run is under way here. */
  isActive(runId: RunId): boolean {
    const mailbox = this.mailboxes.get(runId);
    return mailbox !== undefined && hasWork(mailbox);
  }

  /** How many runs are in memory. */
  get size(): number {
    return this.mailboxes.size;
  }

  /** Resolves when all is recorded, or after that time, with what is left said. Submit nothing after it. Idempotent. */
  stop(withinMs = STOP_WITHIN_MS): Promise<void> {
    return (this.stopping ??= this.settleAll(withinMs));
  }

  private async settleAll(withinMs: number): Promise<void> {
    this.company.stop();
    this.waiters.stop();
    this.appends.stop();
    const settled = this.duplicates.stop().then(() => this.underWay.none());
    const isLate = await isOver(this.clock, withinMs, settled);
    this.abandoned = isLate;
    this.patience.stop();
    this.appends.trouble.stop();
    if (isLate) this.log.warn('the engine stops before all is recorded', leftIn(this.mailboxes.values()));
    await this.shared?.stop();
  }

  private inside(): Inside {
    return {
      mailboxes: this.mailboxes,
      mailboxOf: (runId) => this.mailboxOf(runId),
      read: (mailbox) => this.read(mailbox),
      told: (mailbox, fresh) => this.told(mailbox, fresh),
      isOwner: () => this.owner !== null,
      drain: (mailbox) => this.drain(mailbox),
      settled: (mailbox) => this.settled(mailbox),
      hold: (mailbox) => this.hold(mailbox),
      submit: (runId, command, done) => this.submit(runId, command, this.owner?.origin ?? NOBODY, done),
      forget: (mailbox) => this.forget(mailbox),
      dismiss: (mailbox, cause) => this.dismiss(mailbox, cause),
      drop: (mailbox, cause) => this.drop(mailbox, [], cause),
    };
  }

  /** Tells the owner what a shared log says of the run, and takes over what another boot left. */
  private told(mailbox: Mailbox, fresh: boolean): void {
    const { owner } = this;
    const { runId, state, plan, traceparent, position } = mailbox;
    if (owner === null || state === null || plan === null || mailbox.disowned) return;
    if (this.shared !== null) owner.met({ runId, run: state, plan, traceparent, position, fresh });
    this.counts.unknown += inheritAttempts(mailbox, owner);
  }

  /**
   * Keeps the state as it is until the readers that were just answered have looked at it: nothing uncommitted is ever
   * shown. One turn for all of them, so that a stream of readers keeps no command waiting.
   */
  private hold(mailbox: Mailbox): void {
    if (mailbox.held) return;
    mailbox.held = true;
    mailbox.busy = true;
    setImmediate(() => {
      mailbox.held = false;
      this.release(mailbox);
    });
  }

  private release(mailbox: Mailbox): void {
    if (mailbox.held) return;
    mailbox.busy = false;
    this.settled(mailbox);
  }

  private mailboxOf(runId: RunId): Mailbox {
    const known = this.mailboxes.get(runId);
    if (known !== undefined) return known;
    const mailbox = newMailbox(runId, runStream(runId));
    this.mailboxes.set(runId, mailbox);
    return mailbox;
  }

  private enqueue(mailbox: Mailbox, queued: Queued): void {
    mailbox.queue.push(queued);
    if (mailbox.loaded || mailbox.busy) this.drain(mailbox);
    else void this.read(mailbox).then(() => this.drain(mailbox));
  }

  private drain(mailbox: Mailbox): void {
    if (mailbox.busy) return;
    if (mailbox.disowned || this.abandoned) return this.dismiss(mailbox, mailbox.disowned ? DISOWNED : STOPPED);
    if (this.company.keeps(mailbox)) return;
    // Until all is answered: a slot that is given back may wake this very run, and an answer may ask something of it.
    mailbox.busy = true;
    const { queue } = mailbox;
    mailbox.queue = [];
    const expected = (mailbox.state?.revision ?? NO_STREAM) as Revision; // a domain revision is the store's
    const atMs = this.clock.nowMs();
    const at = instantOf(atMs);
    let batch: DecisionBatch;
    try {
      batch = decideBatch(mailbox, queue, { atMs, at, limits: this.options.limits, owner: this.owner });
    } catch (cause) {
      // A bug. Whoever calls may swallow it, and the run would stand still with a state that is not in the log.
      return this.drop(mailbox, queue, cause);
    }
    mailbox.queue.unshift(...batch.left);
    mailbox.more = batch.more;
    if (batch.events.length === 0) {
      answer(this.log, mailbox, batch);
      return this.release(mailbox);
    }
    const commandId = this.entropy.hex(16);
    const append = appendOf(mailbox, batch, { expected, at, commandId, owner: this.owner });
    this.underWay.begin();
    answeredNext(mailbox);
    mailbox.deciding = { mailbox, batch, append, sent: 0, unknown: 0 };
    this.appends.append(mailbox.deciding);
  }

  private appended(deciding: Deciding, outcome: AppendOutcome): void {
    const { mailbox, batch, append } = deciding;
    mailbox.deciding = null;
    this.room.heard(outcome);
    switch (outcome.status) {
      case 'appended':
        mailbox.conflicts = 0;
        mailbox.position = outcome.position;
        this.committed(mailbox, batch, append.expected === NO_STREAM);
        return this.underWay.end();
      case 'conflict':
        void this.decideAnew(mailbox, batch);
        return this.underWay.end();
      case 'refused':
        this.refused(mailbox, batch, outcome.fault);
        return this.underWay.end();
      case 'unknown':
        refundAttempts(this.owner, mailbox, batch);
        if (wasLeftUnknown(deciding, outcome.cause)) this.giveUp(mailbox, commandsOf(batch), outcome.cause);
        else this.drop(mailbox, commandsOf(batch), outcome.cause);
        return this.underWay.end();
    }
  }

  private committed(mailbox: Mailbox, batch: DecisionBatch, fresh: boolean): void {
    this.counts.committed(mailbox.state, batch.events, fresh);
    answer(this.log, mailbox, batch);
    answerReaders(mailbox, null);
    const { runId, state, plan, traceparent, position } = mailbox;
    const { attempts, abandoned } = batch;
    if (mailbox.disowned) refundAttempts(this.owner, mailbox, batch);
    else if (this.owner !== null && state !== null && plan !== null)
      this.owner.committed({ runId, run: state, plan, traceparent, position, fresh, attempts, abandoned });
    this.release(mailbox);
  }

  /** The stream has moved on: what was decided is void. Reads it again and decides the same commands on what it says. */
  private async decideAnew(mailbox: Mailbox, batch: DecisionBatch): Promise<void> {
    putBack(this.log, this.owner, mailbox, batch);
    await this.read(mailbox);
    answerReaders(mailbox, null);
    this.drain(mailbox);
  }

  private refused(mailbox: Mailbox, batch: DecisionBatch, fault: LogFull): void {
    refuseBatch(this.log, this.owner, mailbox, batch, fault);
    answerReaders(mailbox, fault);
    if (mailbox.queue.length > 0) void this.read(mailbox).then(() => this.drain(mailbox));
    else if (mailbox.ended.size === 0) this.forget(mailbox);
  }

  private async read(mailbox: Mailbox): Promise<Error | null> {
    mailbox.busy = true;
    this.underWay.begin();
    const { metRevision } = mailbox;
    let fault: Error | null = null;
    try {
      mailbox.plan = (await loadRun(this.store, this.plans, mailbox.stream, mailbox)) ?? mailbox.plan;
      mailbox.loaded = true;
      // What was met meanwhile may have come too late for this read.
      if (mailbox.metRevision === metRevision) mailbox.metRevision = -1;
      this.told(mailbox, false);
    } catch (cause) {
      fault = cause instanceof Error ? cause : new Error(String(cause));
      this.drop(mailbox, [], cause);
    }
    mailbox.busy = false;
    wakeIdle(mailbox, fault);
    this.underWay.end();
    return fault;
  }

  private drop(mailbox: Mailbox, commands: readonly Queued[], cause: unknown): void {
    if (isPassing(cause)) this.appends.trouble.unread(cause);
    else this.log.error('a run could not be read or written', { runId: mailbox.runId, err: cause });
    this.giveUp(mailbox, commands, cause);
  }

  /** Tells everyone that it failed and forgets the run: the next to ask has it read again. Who waits for its end waits on. */
  private giveUp(mailbox: Mailbox, commands: readonly Queued[], cause: unknown): void {
    this.forget(mailbox);
    if (isPassing(cause) && mailbox.ended.size > 0) this.waiters.move(mailbox, this.mailboxOf(mailbox.runId));
    mailbox.state = null;
    mailbox.busy = false;
    mailbox.queue.unshift(...commands);
    this.dismiss(mailbox, cause instanceof Error ? cause : new Error(String(cause)));
  }

  private dismiss(mailbox: Mailbox, cause: Error): void {
    refuseAll(this.log, mailbox.runId, mailbox.queue.splice(0), cause);
    answeredNext(mailbox);
    answerReaders(mailbox, cause);
    this.waiters.tell(mailbox);
    wakeIdle(mailbox, cause);
  }

  private forget(mailbox: Mailbox): void {
    this.idleRuns.remove(mailbox);
    if (this.mailboxes.get(mailbox.runId) === mailbox) this.mailboxes.delete(mailbox.runId);
  }

  /** Not busy any more: goes on with what came in meanwhile, tells who waits for the end, or lets go of the run. */
  private settled(mailbox: Mailbox): void {
    if (mailbox.idle.length > 0) {
      wakeIdle(mailbox, null);
      // The readers go on in this turn of the loop, and find the state as it is now.
      return void setImmediate(() => this.settled(mailbox));
    }
    if (mailbox.busy) return;
    if (mailbox.disowned || this.abandoned) return this.dismiss(mailbox, mailbox.disowned ? DISOWNED : STOPPED);
    const { state } = mailbox;
    if (mailbox.queue.length > 0 || mailbox.more) return this.drain(mailbox);
    if (this.shared !== null && (mailbox.asked !== null || mailbox.metRevision > (state?.revision ?? -1)))
      return void this.shared.refresh(mailbox);
    if (state === null || isEnded(state)) {
      this.waiters.tell(mailbox);
      return this.forget(mailbox);
    }
    // Without an owner nobody here hears of the attempts in flight.
    const isAwaited = mailbox.ended.size > 0 || (this.owner !== null && state.obligations.inFlight.size > 0);
    if (isAwaited) this.idleRuns.remove(mailbox);
    else this.idleRuns.keep(mailbox);
  }
}
