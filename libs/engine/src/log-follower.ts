import type { Commit, EventStore, Filter, Position } from '#event-store';
import { pause, type Clock, type Log } from '#runtime';
import { isPassing } from './log-trouble.js';

const FOLLOW_AGAIN_AFTER_MS = 1_000;

export type Follower = {
  readonly after: Position;
  readonly filter: Filter;
  /** Of the subscription; asked while it lasts. */
  readonly gatherMs?: () => number;
  /** What happens to each commit; the position moves on to `position`, past them, when it is done. */
  readonly onCommits: (commits: readonly Commit[], position: Position) => void | Promise<void>;
  /** Everything up to the position was delivered: at the beginning, and again whenever the subscription was made anew. */
  readonly onCaughtUp?: () => void;
};

/** Follows the log from a position on until it is stopped: what breaks is taken up again where it was. */
export class LogFollower {
  private reached: Position;
  private readonly stopping = new AbortController();
  private readonly following: Promise<void>;

  constructor(
    private readonly store: EventStore,
    private readonly clock: Clock,
    private readonly log: Log,
    private readonly follower: Follower,
  ) {
    this.reached = follower.after;
    this.following = this.follow();
  }

  /** Everything up to here was given. */
  get position(): Position {
    return this.reached;
  }

  /** Nothing is given from now on; resolves when the subscription has ended. */
  stop(): Promise<void> {
    this.stopping.abort();
    return this.following;
  }

  private async follow(): Promise<void> {
    const { signal } = this.stopping;
    const { filter, gatherMs, onCommits, onCaughtUp } = this.follower;
    while (!signal.aborted) {
      try {
        for await (const message of this.store.subscribe(this.reached, {
          filter,
          ...(gatherMs && { gatherMs }),
          signal,
        })) {
          if (signal.aborted) return;
          if (message.type === 'commits') {
            const done = onCommits(message.commits, message.position);
            // Not across a turn when it is done: who stops here goes on elsewhere from exactly this position.
            if (done !== undefined) await done;
            this.reached = message.position;
          } else {
            if (message.position > this.reached) this.reached = message.position;
            onCaughtUp?.();
          }
        }
      } catch (cause) {
        if (isPassing(cause)) this.log.warn('the log cannot be followed now; trying again', { reason: cause.message });
        else this.log.error('the log could not be followed; trying again', { filter, err: cause });
      }
      await pause(this.clock, FOLLOW_AGAIN_AFTER_MS, signal);
    }
  }
}
