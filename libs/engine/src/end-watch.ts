import { runIdOf, RUN_STREAMS, type Commit, type EventStore, type Position } from '#event-store';
import type { Clock, Log } from '#runtime';
import { LogFollower } from './log-follower.js';
import type { RunId } from './runs.js';

/** Kept open so long after the last one has stopped waiting: between two requests that wait it need not be made anew. */
const LINGER_MS = 10_000;

/** What the watch tells: commits of runs as the log brings them, and that some may have been missed. And what it asks. */
export interface Watching {
  observe(runId: RunId, commit: Commit): void;
  /** The subscription was interrupted: whoever waits has its run looked at again. */
  lookAgain(): void;
  /** Of the subscription. */
  gatherMs(): number;
}

/**
 * One subscription on what becomes of the runs of all processes, open while somebody here waits for an end. Not always: a process that
 * only starts runs would take in the whole log for nothing. From the head, since what lies before it a waiter reads.
 */
export class EndWatch {
  private waiting = 0;
  private opening: Promise<Position> | null = null;
  private follower: LogFollower | null = null;
  private cancelClose: (() => void) | null = null;
  private stopped = false;
  /** How often it was closed: what was still opening then is for nobody. */
  private closed = 0;
  /** Every commit past this that is for those who wait is observed; `null` while nothing is followed. */
  since: Position | null = null;

  constructor(
    private readonly store: EventStore,
    private readonly clock: Clock,
    private readonly log: Log,
    private readonly watching: Watching,
  ) {}

  /** One more waits. Resolves once everything that is appended from then on will be observed. */
  enter(): Promise<Position> {
    this.waiting += 1;
    this.cancelClose?.();
    this.cancelClose = null;
    return this.opened();
  }

  /** The same for who has entered, and is to hear again whether the log is followed. */
  opened(): Promise<Position> {
    this.opening ??= this.open();
    return this.opening;
  }

  /** So many wait no more. */
  leave(count: number): void {
    this.waiting -= count;
    if (this.waiting > 0 || this.stopped) return;
    this.cancelClose?.();
    this.cancelClose = this.clock.after(LINGER_MS, () => void this.close());
  }

  async stop(): Promise<void> {
    this.stopped = true;
    this.cancelClose?.();
    await this.opening?.catch(() => undefined);
    await this.close();
  }

  private async open(): Promise<Position> {
    const { closed } = this;
    try {
      const head = await this.store.head();
      if (this.stopped || this.closed !== closed) return head;
      let caughtUp = false;
      this.since = head;
      this.follower = new LogFollower(this.store, this.clock, this.log, {
        after: head,
        filter: { prefixes: [RUN_STREAMS], audience: 'waiting' },
        gatherMs: () => this.watching.gatherMs(),
        onCommits: (commits) => this.observe(commits),
        onCaughtUp: () => {
          if (caughtUp) this.watching.lookAgain();
          caughtUp = true;
        },
      });
      return head;
    } catch (cause) {
      if (this.closed === closed) this.opening = null;
      throw cause;
    }
  }

  private observe(commits: readonly Commit[]): void {
    for (const commit of commits) {
      const runId = runIdOf(commit.stream);
      // A reason for the cast: the name of a run's stream holds the run's id.
      if (runId !== null) this.watching.observe(runId as RunId, commit);
    }
  }

  private async close(): Promise<void> {
    const { follower } = this;
    this.closed += 1;
    this.follower = null;
    this.opening = null;
    this.since = null;
    await follower?.stop();
  }
}
