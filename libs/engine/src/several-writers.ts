import { isEnded, type Plan, type RunCommand } from '#domain';
import { decodeRunEvent, storedEvents, type Commit, type EventStore } from '#event-store';
import type { ChurnMap, Clock, Log } from '#runtime';
import { EndWatch } from './end-watch.js';
import type { EngineCounts } from './engine-counts.js';
import { foldCommit, type PlanSource } from './load-run.js';
import { DISOWNED, loadedOf, type Mailbox, type Queued } from './mailbox.js';
import { answeredNext, answerReaders, callBack } from './readers.js';
import type { LoadedRun, RunId } from './runs.js';

const READS_AT_ONCE = 64;

/** The inside of the engine, as far as the sharing of a log needs it. */
export type Inside = {
  readonly mailboxes: Pick<ChurnMap<RunId, Mailbox>, 'get' | 'values'>;
  mailboxOf(runId: RunId): Mailbox;
  read(mailbox: Mailbox): Promise<Error | null>;
  /** The state is the log's: tells the owner. */
  told(mailbox: Mailbox, fresh: boolean): void;
  isOwner(): boolean;
  drain(mailbox: Mailbox): void;
  settled(mailbox: Mailbox): void;
  hold(mailbox: Mailbox): void;
  submit(runId: RunId, command: RunCommand, done: Queued['done']): void;
  forget(mailbox: Mailbox): void;
  /** Tells everyone who waits that nothing will come of it here. */
  dismiss(mailbox: Mailbox, cause: Error): void;
  drop(mailbox: Mailbox, cause: unknown): void;
};

/**
 * What the engine does where other processes append to the same runs. No answer rests on what is in memory alone: it is
 * fenced by an append, or by a read of the stream's tail that began after the question came.
 */
export class SharedLog {
  private readonly ends: EndWatch;
  private stopping = false;

  constructor(
    private readonly inside: Inside,
    counts: EngineCounts,
    private readonly plans: PlanSource,
    store: EventStore,
    clock: Clock,
    private readonly log: Log,
  ) {
    this.ends = new EndWatch(store, clock, log, {
      met: (runId, commit) => {
        if (inside.mailboxes.get(runId) !== undefined) this.met(runId, commit);
      },
      lookAgain: () => void this.lookAtEnds(),
      gatherMs: () => counts.gatherMs,
    });
  }

  /** Calls back with the run as the log has it: by a read that begins after this call. */
  ask(mailbox: Mailbox, call: (fault: Error | null) => void, answerByMs = Infinity): void {
    (mailbox.asked ??= []).push({ call, answerByMs });
    if (!mailbox.busy) void this.refresh(mailbox);
  }

  load(runId: RunId, answerByMs: number): Promise<LoadedRun | null> {
    const mailbox = this.inside.mailboxOf(runId);
    return new Promise((resolve, reject) => {
      const call = (fault: Error | null): void => {
        if (fault !== null) return reject(fault);
        this.inside.hold(mailbox);
        resolve(loadedOf(mailbox));
      };
      this.ask(mailbox, call, answerByMs);
    });
  }

  /** Answers what was asked so far, and sees to what was met meanwhile. */
  async refresh(mailbox: Mailbox): Promise<void> {
    answeredNext(mailbox);
    const fault = await this.inside.read(mailbox);
    // What was asked of a run that went meanwhile must not bring it back.
    answerReaders(mailbox, mailbox.disowned ? DISOWNED : fault);
    if (fault === null) this.goOn(mailbox);
  }

  /** Looks at the stream again before the run is woken: what is in memory, or in a table, may be wrong. */
  wakeAnew(runId: RunId, done: Queued['done']): void {
    this.ask(this.inside.mailboxOf(runId), (cause) => {
      if (cause === null) this.inside.submit(runId, { type: 'WakeUp' }, done);
      else callBack(this.log, runId, done, { status: 'unavailable', cause });
    });
  }

  /** Lets go of runs at once: what waits is dropped, and what is under way has no say any more. */
  disown(isLost: (runId: RunId) => boolean): void {
    for (const mailbox of this.inside.mailboxes.values()) {
      if (!isLost(mailbox.runId)) continue;
      mailbox.disowned = true;
      this.inside.forget(mailbox);
      this.inside.dismiss(mailbox, DISOWNED);
    }
  }

  /** The runs for which something is under way to or from the log, or waits for that. */
  underWay(): readonly RunId[] {
    const some = this.inside.mailboxes.values().filter((mailbox) => mailbox.busy || mailbox.queue.length > 0);
    return some.map(({ runId }) => runId);
  }

  /** A commit that may be news here. Folded when it follows what is known, else the tail is read. */
  met(runId: RunId, commit: Commit): void {
    const mailbox = this.inside.mailboxOf(runId);
    mailbox.metRevision = Math.max(mailbox.metRevision, commit.firstRevision + commit.count - 1);
    if (mailbox.busy || mailbox.metRevision <= (mailbox.state?.revision ?? -1)) return;
    try {
      const plan = mailbox.plan ?? planOf(commit, this.plans);
      if (plan === null || !foldCommit(mailbox, commit)) return void this.refresh(mailbox);
      mailbox.plan = plan;
    } catch (cause) {
      return this.inside.drop(mailbox, cause);
    }
    mailbox.loaded = true;
    // Whom this tells may ask something of this very run.
    mailbox.busy = true;
    this.inside.told(mailbox, commit.firstRevision === 0);
    mailbox.busy = false;
    this.goOn(mailbox);
  }

  /**
   * The end is met by following the log. What was appended before that began is read once; not when all that is known
   * here was appended later, as of a run that was started just now.
   */
  awaitEnd(mailbox: Mailbox): void {
    const entered = this.ends.enter();
    const { since } = this.ends;
    if (since !== null && mailbox.state !== null && mailbox.position > since) {
      if (!mailbox.busy) this.inside.settled(mailbox);
      return;
    }
    this.askOnce(entered, mailbox);
  }

  /** Of a run that could not be read, or no log followed for it: those who wait are counted already. */
  awaitEndAgain(mailbox: Mailbox): void {
    if (mailbox.ended.size > 0) this.askOnce(this.ends.opened(), mailbox);
  }

  private askOnce(followed: Promise<unknown>, mailbox: Mailbox): void {
    followed.then(
      () => this.ask(mailbox, () => undefined),
      (cause: unknown) => this.inside.drop(mailbox, cause),
    );
  }

  /** So many wait for an end no more. */
  waitNoMore(count: number): void {
    this.ends.leave(count);
  }

  stop(): Promise<void> {
    this.stopping = true;
    return this.ends.stop();
  }

  private goOn(mailbox: Mailbox): void {
    const isOwed = this.inside.isOwner() && mailbox.state !== null && !isEnded(mailbox.state);
    if (mailbox.busy) mailbox.more ||= isOwed;
    else if (isOwed) this.inside.drain(mailbox);
    else this.inside.settled(mailbox);
  }

  private async lookAtEnds(): Promise<void> {
    const waited = this.inside.mailboxes.values().filter(({ ended }) => ended.size > 0);
    for (let from = 0; from < waited.length && !this.stopping; from += READS_AT_ONCE) {
      const some = waited.slice(from, from + READS_AT_ONCE);
      await Promise.all(some.map((mailbox) => new Promise<void>((done) => this.ask(mailbox, () => done()))));
    }
  }
}

/** The plan of the run that a commit begins, when it is at hand. */
const planOf = (commit: Commit, plans: PlanSource): Plan | null => {
  const [first] = commit.firstRevision === 0 ? storedEvents(commit) : [];
  if (first === undefined) return null;
  const event = decodeRunEvent(first.type, first.v, first.data);
  return event.type === 'RunStarted' ? plans.cachedPlan(event.plan) : null;
};
