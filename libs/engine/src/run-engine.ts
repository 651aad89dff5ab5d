import { isEnded, type Plan, type Rejection, type RunCommand, type RunLimits, type StartRun } from '#domain';
import { NO_STREAM, runStream, type Append, type AppendOutcome, type EventStore, type Revision } from '#event-store';
import type { Clock, Entropy, Log } from '#runtime';
import { decideBatch, type DecisionBatch } from './decision-batch.js';
import { DuplicateStarts } from './duplicate-starts.js';
import { loadRun, type PlanSource } from './load-run.js';
import { newMailbox, type CommandResult, type Mailbox, type Queued } from './mailbox.js';
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
  private readonly mailboxes = new Map<RunId, Mailbox>();
  private readonly idleRuns = new Set<RunId>();
  private readonly duplicates: DuplicateStarts;
  private owner: Owner | null = null;
  private appending = 0;
  private drained: (() => void)[] = [];

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
    if (!mailbox.loaded && !mailbox.busy) {
      // Nobody here knows this run: decide as if it were new. The append says so when it is not, by a conflict.
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
    return new Promise((settle) => {
      this.submit(runId, { type: 'CancelRun', reason }, origin, (result) => {
        settle(result.status === 'accepted' ? { status: 'cancelled', loaded: result.loaded } : result);
      });
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
    const mailbox = this.mailboxOf(runId);
    while (mailbox.busy || !mailbox.loaded) {
      const fault = mailbox.busy ? await this.whenIdle(mailbox) : await this.read(mailbox);
      if (fault !== null) throw fault;
    }
    this.hold(mailbox);
    return loadedOf(mailbox);
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
    await this.duplicates.stop();
    if (this.appending > 0) await new Promise<void>((resolve) => this.drained.push(resolve));
  }

  private whenIdle(mailbox: Mailbox): Promise<null> {
    return new Promise((resolve) => mailbox.idle.push(() => resolve(null)));
  }

  /** Keeps the state as it is until the reader that was just answered has looked at it: nothing uncommitted is ever shown. */
  private hold(mailbox: Mailbox): void {
    mailbox.busy = true;
    setImmediate(() => {
      mailbox.busy = false;
      this.settled(mailbox);
    });
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
    const { queue } = mailbox;
    mailbox.queue = [];
    const expected = (mailbox.state?.revision ?? NO_STREAM) as Revision; // a domain revision is the store's
    const atMs = this.clock.nowMs();
    const at = this.clock.now();
    const batch = decideBatch(mailbox, queue, { atMs, at, limits: this.options.limits, owner: this.owner });
    mailbox.queue.unshift(...batch.left);
    mailbox.more = batch.more;
    if (batch.events.length === 0) {
      this.answer(mailbox, batch);
      return this.settled(mailbox);
    }
    const origin = queue[0]?.origin ?? NOBODY;
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
    mailbox.busy = true;
    this.appending += 1;
    this.store.append(append, (outcome) => {
      this.appending -= 1;
      this.appended(mailbox, batch, append, outcome);
      if (this.appending === 0) for (const resolve of this.drained.splice(0)) resolve();
    });
  }

  private appended(mailbox: Mailbox, batch: DecisionBatch, append: Append, outcome: AppendOutcome): void {
    switch (outcome.status) {
      case 'appended':
        mailbox.conflicts = 0;
        mailbox.position = outcome.position;
        mailbox.busy = false;
        return this.committed(mailbox, batch, append.expected === NO_STREAM);
      case 'conflict':
        return void this.decideAnew(mailbox, batch);
      case 'unknown':
        this.log.warn('the outcome of an append is unknown; repeating it', {
          stream: append.stream,
          err: outcome.cause,
        });
        this.clock.after(REPEAT_UNKNOWN_AFTER_MS, () => this.append(mailbox, batch, append));
        return;
    }
  }

  private committed(mailbox: Mailbox, batch: DecisionBatch, fresh: boolean): void {
    this.answer(mailbox, batch);
    const { state, plan } = mailbox;
    if (this.owner !== null && state !== null && plan !== null) {
      const { runId, traceparent, position } = mailbox;
      this.owner.committed({ runId, run: state, plan, traceparent, position, fresh, attempts: batch.attempts });
    }
    this.settled(mailbox);
  }

  /** The stream has moved on: what was decided is void. Reads it again and decides the same commands on what it says. */
  private async decideAnew(mailbox: Mailbox, batch: DecisionBatch): Promise<void> {
    for (const { step } of batch.attempts) {
      const known = mailbox.state?.steps.get(step);
      if (known !== undefined) this.owner?.refund(known);
    }
    mailbox.conflicts += 1;
    const again = batch.answers.map(({ queued }) => queued);
    if (mailbox.conflicts > CONFLICTS_MAX) {
      const cause = new Error(`the run's stream moved ${CONFLICTS_MAX} times while a command was decided`);
      for (const { done } of again) done?.({ status: 'unavailable', cause });
    } else mailbox.queue.unshift(...again);
    await this.read(mailbox);
    this.drain(mailbox);
  }

  private async read(mailbox: Mailbox): Promise<Error | null> {
    mailbox.busy = true;
    let fault: Error | null = null;
    try {
      const found = await loadRun(this.store, this.plans, mailbox.stream);
      mailbox.state = found?.state ?? null;
      mailbox.plan = found?.plan ?? mailbox.plan;
      mailbox.traceparent = found?.traceparent ?? mailbox.traceparent;
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
      for (const { done } of mailbox.queue.splice(0)) done?.({ status: 'unavailable', cause });
      this.log.error('a run could not be read', { stream: mailbox.stream, err: cause });
      this.mailboxes.delete(mailbox.runId);
    }
    mailbox.busy = false;
    for (const resolve of mailbox.idle.splice(0)) resolve();
    return fault;
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
      if (mailbox.ended.size > 0) {
        const loaded = loadedOf(mailbox);
        for (const call of mailbox.ended) call(loaded);
        mailbox.ended.clear();
      }
      this.mailboxes.delete(mailbox.runId);
      this.idleRuns.delete(mailbox.runId);
      return;
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

const loadedOf = ({ state, plan, position }: Mailbox): LoadedRun | null =>
  // The domain counts revisions as plain numbers; the store brands them.
  state === null || plan === null ? null : { run: state, plan, revision: state.revision as Revision, position };

const resultOf = (loaded: LoadedRun | null, rejection: Rejection | null, changed: boolean): CommandResult => {
  if (rejection !== null) return { status: 'rejected', rejection, loaded };
  if (loaded === null) return { status: 'rejected', rejection: { code: 'run-not-found' }, loaded };
  return { status: 'accepted', loaded, changed };
};
