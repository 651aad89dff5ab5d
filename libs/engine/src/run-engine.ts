import { isEnded, type Plan, type RunCommand, type RunLimits, type StartRun } from '#domain';
import { NO_STREAM, runStream, type Append, type AppendOutcome, type EventStore, type Revision } from '#event-store';
import { ChurnMap, type Clock, type Entropy, type Log } from '#runtime';
import { decideBatch, type DecisionBatch } from './decision-batch.js';
import { DuplicateStarts } from './duplicate-starts.js';
import { loadRun, type PlanSource } from './load-run.js';
import { loadedOf, newMailbox, resultOf, type CommandResult, type Mailbox, type Queued } from './mailbox.js';
import type { Owner } from './owner.js';
import { Runs, type CancelReply, type LoadedRun, type Origin, type RunId, type StartReply } from './runs.js';

const CONFLICTS_MAX = 10;
const REPEAT_UNKNOWN_AFTER_MS = 100;
/** Runs that wait for something far away, or were only looked at, are kept this many at most; others are folded anew. */
const IDLE_MAX = 512;
const NOBODY: Origin = { actor: null, traceparent: null };

export type EngineOptions = { readonly limits: RunLimits };

/**
 * One handler for all commands of all runs: load, fold, decide, append. Commands for a run that arrive while an append
 * of it is in flight queue, and are decided together into the next; a conflict reads the stream again and decides anew.
 */
export class RunEngine extends Runs {
  private readonly mailboxes = new ChurnMap<RunId, Mailbox>();
  private readonly idleRuns = new Set<RunId>();
  private readonly duplicates: DuplicateStarts;
  private owner: Owner | null = null;
  private appending = 0;
  private drained: (() => void)[] = [];
  private stopping = false;

  constructor(
    private readonly store: EventStore,
    private readonly plans: PlanSource,
    private readonly clock: Clock,
    private readonly entropy: Entropy,
    private readonly log: Log,
    private readonly options: EngineOptions,
  ) {
    super();
    this.duplicates = new DuplicateStarts(clock, (runId, count, done) =>
      this.submit(runId, { type: 'NoteDuplicateStarts', count }, NOBODY, done),
    );
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
      done: (result) => {
        if (result.status === 'unavailable') return settle(result);
        if (result.status === 'rejected') return settle({ status: 'rejected', rejection: result.rejection });
        const { run, position } = result.loaded;
        if (!result.changed) this.duplicates.note(runId);
        settle({
          status: result.changed ? 'started' : 'replayed',
          started: run.started,
          startedAt: run.startedAt,
          position,
        });
      },
    });
  }

  cancel(runId: RunId, reason: string | null, origin: Origin): Promise<CancelReply> {
    const mailbox = this.mailboxOf(runId);
    return new Promise((settle) => {
      const done = (result: CommandResult): void => {
        if (result.status !== 'accepted') return settle(result);
        this.hold(mailbox);
        settle({ status: 'cancelled', loaded: result.loaded });
      };
      this.enqueue(mailbox, { command: { type: 'CancelRun', reason }, plan: null, origin, done });
    });
  }

  /** Hands a command to its run. `done` is called after the commit of what it led to. */
  submit(runId: RunId, command: RunCommand, origin: Origin, done: Queued['done']): void {
    this.enqueue(this.mailboxOf(runId), { command, plan: null, origin, done });
  }

  /** Looks at what the run owes by now: timeouts, due retries, steps that waited for a slot. */
  wake(runId: RunId): void {
    this.submit(runId, { type: 'WakeUp' }, NOBODY, null);
  }

  async load(runId: RunId): Promise<LoadedRun | null> {
    for (;;) {
      const mailbox = this.mailboxOf(runId);
      if (mailbox.loaded && (mailbox.held || !mailbox.busy)) {
        this.hold(mailbox);
        return loadedOf(mailbox);
      }
      const fault = mailbox.busy ? await this.whenIdle(mailbox) : await this.read(mailbox);
      if (fault !== null) throw fault;
    }
  }

  whenEnded(runId: RunId, call: (loaded: LoadedRun | null) => void): () => void {
    const mailbox = this.mailboxOf(runId);
    mailbox.ended.add(call);
    if (!mailbox.busy && mailbox.loaded) this.settled(mailbox);
    else if (!mailbox.busy) void this.read(mailbox).then(() => this.settled(mailbox));
    return () => {
      if (mailbox.ended.delete(call) && !mailbox.busy) this.settled(mailbox);
    };
  }

  /** Whether work on the run is under way here. A run that is only looked at or waited for is not: nobody would wake it. */
  isActive(runId: RunId): boolean {
    const mailbox = this.mailboxes.get(runId);
    if (mailbox === undefined) return false;
    const { state, queue, busy } = mailbox;
    return queue.length > 0 || (state !== null && (busy || state.obligations.inFlight.size > 0));
  }

  /** How many runs are in memory. */
  get size(): number {
    return this.mailboxes.size;
  }

  /** Resolves when no append is under way and counted duplicates are noted. Submit nothing after it. */
  async stop(): Promise<void> {
    this.stopping = true;
    await this.duplicates.stop();
    if (this.appending > 0) await new Promise<void>((resolve) => this.drained.push(resolve));
  }

  private whenIdle(mailbox: Mailbox): Promise<null> {
    return new Promise((resolve) => mailbox.idle.push(() => resolve(null)));
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
    if (mailbox.busy) return;
    if (mailbox.loaded) this.drain(mailbox);
    else void this.read(mailbox).then(() => this.drain(mailbox));
  }

  private drain(mailbox: Mailbox): void {
    if (mailbox.busy) return;
    // Until all is answered: a slot that is given back may wake this very run, and an answer may ask something of it.
    mailbox.busy = true;
    const { queue } = mailbox;
    mailbox.queue = [];
    const expected = (mailbox.state?.revision ?? NO_STREAM) as Revision; // a domain revision is the store's
    const atMs = this.clock.nowMs();
    const at = this.clock.now();
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
      this.answer(mailbox, batch);
      return this.release(mailbox);
    }
    const origin = queue[0]?.origin ?? NOBODY;
    this.appending += 1;
    this.append(mailbox, batch, {
      stream: mailbox.stream,
      expected,
      events: batch.events,
      envelope: {
        commandId: this.entropy.hex(16),
        recordedAt: at,
        actor: origin.actor,
        traceparent: origin.traceparent ?? mailbox.traceparent,
      },
    });
  }

  private append(mailbox: Mailbox, batch: DecisionBatch, append: Append): void {
    try {
      this.store.append(append, (outcome) => this.appended(mailbox, batch, append, outcome));
    } catch (cause) {
      // What no append can hold will not fit by trying again: the run stays as it was.
      this.refund(mailbox, batch);
      this.drop(mailbox, commandsOf(batch), cause);
      this.appendEnded();
    }
  }

  private appended(mailbox: Mailbox, batch: DecisionBatch, append: Append, outcome: AppendOutcome): void {
    switch (outcome.status) {
      case 'appended':
        mailbox.conflicts = 0;
        mailbox.position = outcome.position;
        this.committed(mailbox, batch, append.expected === NO_STREAM);
        return this.appendEnded();
      case 'conflict':
        void this.decideAnew(mailbox, batch);
        return this.appendEnded();
      case 'unknown': {
        const { cause } = outcome;
        this.log.warn('the outcome of an append is unknown; repeating it', { stream: append.stream, err: cause });
        if (!this.stopping) {
          this.clock.after(REPEAT_UNKNOWN_AFTER_MS, () => this.append(mailbox, batch, append));
          return;
        }
        this.drop(mailbox, commandsOf(batch), cause);
        return this.appendEnded();
      }
    }
  }

  private appendEnded(): void {
    this.appending -= 1;
    if (this.appending === 0) for (const resolve of this.drained.splice(0)) resolve();
  }

  private committed(mailbox: Mailbox, batch: DecisionBatch, fresh: boolean): void {
    this.answer(mailbox, batch);
    const { state, plan } = mailbox;
    if (this.owner !== null && state !== null && plan !== null) {
      const { runId, traceparent, position } = mailbox;
      this.owner.committed({ runId, run: state, plan, traceparent, position, fresh, attempts: batch.attempts });
    }
    this.release(mailbox);
  }

  /** The stream has moved on: what was decided is void. Reads it again and decides the same commands on what it says. */
  private async decideAnew(mailbox: Mailbox, batch: DecisionBatch): Promise<void> {
    this.refund(mailbox, batch);
    mailbox.conflicts += 1;
    const again = commandsOf(batch);
    if (mailbox.conflicts > CONFLICTS_MAX) {
      const cause = new Error(`the run's stream moved ${CONFLICTS_MAX} times while a command was decided`);
      for (const { done } of again) done?.({ status: 'unavailable', cause });
    } else mailbox.queue.unshift(...again);
    await this.read(mailbox);
    this.drain(mailbox);
  }

  private refund(mailbox: Mailbox, batch: DecisionBatch): void {
    const { state } = mailbox;
    for (const { step } of batch.attempts) {
      const known = state?.steps.get(step);
      if (state !== null && known !== undefined) this.owner?.refund(known, state);
    }
  }

  private async read(mailbox: Mailbox): Promise<Error | null> {
    mailbox.busy = true;
    let fault: Error | null = null;
    try {
      const found = await loadRun(this.store, this.plans, mailbox.stream);
      mailbox.state = found?.state ?? null;
      mailbox.plan = found?.plan ?? mailbox.plan;
      mailbox.traceparent = found === null ? mailbox.traceparent : found.traceparent;
      mailbox.position = found?.position ?? mailbox.position;
      mailbox.loaded = true;
      const { state } = mailbox;
      const { owner } = this;
      if (
        owner !== null &&
        state !== null &&
        [...state.obligations.inFlight.values()].some((boot) => boot !== owner.boot)
      ) {
        mailbox.queue.unshift(this.loseAttempts(mailbox, owner.boot));
      }
    } catch (cause) {
      fault = cause instanceof Error ? cause : new Error(String(cause));
      this.drop(mailbox, [], cause);
    }
    mailbox.busy = false;
    for (const resolve of mailbox.idle.splice(0)) resolve();
    return fault;
  }

  /** Tells everyone that it failed and forgets the run: the next to ask has it read again. */
  private drop(mailbox: Mailbox, commands: readonly Queued[], cause: unknown): void {
    this.log.error('a run could not be read or written', { stream: mailbox.stream, err: cause });
    this.forget(mailbox);
    mailbox.state = null;
    mailbox.busy = false;
    for (const { done } of [...commands, ...mailbox.queue.splice(0)]) done?.({ status: 'unavailable', cause });
    this.tellEnded(mailbox);
    for (const resolve of mailbox.idle.splice(0)) resolve();
  }

  private forget(mailbox: Mailbox): void {
    if (this.mailboxes.get(mailbox.runId) === mailbox) this.mailboxes.delete(mailbox.runId);
    this.idleRuns.delete(mailbox.runId);
  }

  /** None of them is there any more when they are called: each may take itself back, and thousands may wait. */
  private tellEnded(mailbox: Mailbox): void {
    if (mailbox.ended.size === 0) return;
    const loaded = loadedOf(mailbox);
    const waiting = [...mailbox.ended];
    mailbox.ended.clear();
    for (const call of waiting) call(loaded);
  }

  /** Records what another boot left without an outcome; again while there is more than fits one decision. */
  private loseAttempts(mailbox: Mailbox, boot: string): Queued {
    return {
      command: { type: 'LoseAttempts', boot },
      plan: null,
      origin: NOBODY,
      done: (result) => {
        if (result.status === 'accepted' && result.changed) mailbox.queue.push(this.loseAttempts(mailbox, boot));
      },
    };
  }

  private answer(mailbox: Mailbox, batch: DecisionBatch): void {
    const loaded = loadedOf(mailbox);
    for (const { queued, rejection, changed } of batch.answers) {
      if (queued.done !== null) queued.done(resultOf(loaded, rejection, changed));
    }
  }

  /** Not busy any more: goes on with what came in meanwhile, tells who waits for the end, or lets go of the run. */
  private settled(mailbox: Mailbox): void {
    if (mailbox.idle.length > 0) {
      for (const resolve of mailbox.idle.splice(0)) resolve();
      // The readers go on in this turn of the loop, and find the state as it is now.
      return void setImmediate(() => this.settled(mailbox));
    }
    if (mailbox.busy) return;
    const { state } = mailbox;
    if (mailbox.queue.length > 0 || mailbox.more) return this.drain(mailbox);
    if (state === null || isEnded(state)) {
      this.tellEnded(mailbox);
      return this.forget(mailbox);
    }
    const waits = state.obligations.inFlight.size === 0 && mailbox.ended.size === 0;
    if (waits) this.keepIdle(mailbox);
    else this.idleRuns.delete(mailbox.runId);
  }

  private keepIdle(mailbox: Mailbox): void {
    this.idleRuns.delete(mailbox.runId);
    this.idleRuns.add(mailbox.runId);
    if (this.idleRuns.size <= IDLE_MAX) return;
    for (const oldest of this.idleRuns) {
      this.idleRuns.delete(oldest);
      const dropped = this.mailboxes.get(oldest);
      if (dropped !== undefined && !dropped.busy && dropped.queue.length === 0) this.mailboxes.delete(oldest);
      return;
    }
  }
}

const commandsOf = (batch: DecisionBatch): Queued[] => batch.answers.map(({ queued }) => queued);
