import type { Commit, EventStore } from '#event-store';
import type { Clock, Log } from '#runtime';
import { EndWatch } from './end-watch.js';
import type { EngineCounts } from './engine-counts.js';
import type { Mailbox } from './mailbox.js';
import { SHARD_RELEASED } from './mailbox-phase.js';
import type { ParkedRuns } from './parked-runs.js';
import type { QueuedCommand } from './queued-command.js';
import { callBack } from './readers.js';
import type { Origin, RunId } from './runs.js';
import type { RunTable } from './run-table.js';

const READS_AT_ONCE = 64;

/** What it needs of the engine. */
type Engine = { readonly counts: EngineCounts; readonly origin: Origin };

/**
 * What other processes append to the runs that are in memory here, as subscriptions bring it: the owner's of its shards, and one
 * for those who wait for ends.
 */
export class SharedLog {
  private readonly ends: EndWatch;
  private stopping = false;

  constructor(
    private readonly engine: Engine,
    private readonly runs: RunTable,
    private readonly parked: ParkedRuns,
    store: EventStore,
    clock: Clock,
    private readonly log: Log,
  ) {
    this.ends = new EndWatch(store, clock, log, {
      observe: (runId, commit) => runs.get(runId)?.observe(commit),
      lookAgain: () => void this.lookAtEnds(),
      gatherMs: () => engine.counts.gatherMs,
    });
  }

  /** A commit that may be news here. */
  observe(runId: RunId, commit: Commit): void {
    this.runs.of(runId).observe(commit);
  }

  /** Looks at the stream again before the run is woken: what is in memory, or in a table, may be wrong. */
  wakeAfterRead(runId: RunId, done: QueuedCommand['done']): void {
    const call = (cause: Error | null): void => {
      if (cause !== null) return callBack(this.log, runId, done, { status: 'unavailable', cause });
      const { origin } = this.engine;
      this.runs.of(runId).send({ command: { type: 'WakeUp' }, plan: null, origin, answerByMs: Infinity, done });
    };
    this.runs.of(runId).ask({ call, answerByMs: Infinity });
  }

  /** Closes the mailboxes of runs at once: what waits is dropped, and what is under way has no say any more. */
  releaseRuns(isLost: (runId: RunId) => boolean): void {
    for (const mailbox of this.runs.values()) if (isLost(mailbox.runId)) mailbox.close(SHARD_RELEASED);
    this.parked.forget(isLost);
  }

  /** The runs for which something is under way to or from the log, or waits for that. */
  underWay(): readonly RunId[] {
    const some = this.runs.values().filter((mailbox) => mailbox.isBusy || mailbox.queue.length > 0);
    return some.map(({ runId }) => runId);
  }

  /**
   * The end is observed by following the log. What was appended before that began is read once; not when all that is known
   * here was appended later, as of a run that was started just now.
   */
  awaitEnd(mailbox: Mailbox): void {
    const entered = this.ends.enter();
    const { since } = this.ends;
    if (since !== null && mailbox.state !== null && mailbox.position > since) mailbox.lookAtEnd();
    else this.readOnce(entered, mailbox);
  }

  /** Of a run that could not be read, or no log followed for it: those who wait are counted already. */
  awaitEndAgain(mailbox: Mailbox): void {
    this.readOnce(this.ends.opened(), mailbox);
  }

  /** So many wait for an end no more. */
  waitNoMore(count: number): void {
    this.ends.leave(count);
  }

  stop(): Promise<void> {
    this.stopping = true;
    return this.ends.stop();
  }

  private readOnce(followed: Promise<unknown>, mailbox: Mailbox): void {
    followed.then(
      () => mailbox.ask({ call: () => undefined, answerByMs: Infinity }),
      (cause: unknown) => mailbox.unfollowed(cause),
    );
  }

  private async lookAtEnds(): Promise<void> {
    const waited = this.runs.values().filter(({ awaitingEnd }) => awaitingEnd.size > 0);
    for (let from = 0; from < waited.length && !this.stopping; from += READS_AT_ONCE) {
      const some = waited.slice(from, from + READS_AT_ONCE);
      await Promise.all(
        some.map((mailbox) => new Promise<void>((done) => mailbox.ask({ call: () => done(), answerByMs: Infinity }))),
      );
    }
  }
}
