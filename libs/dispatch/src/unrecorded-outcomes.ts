import { isPassing, type RunId } from '#engine';
import { shardOf, type Shard } from '#event-store';
import type { Clock, Log } from '#runtime';

const SAID_EVERY_MS = 1_000;

/**
 * Attempts that are over, but the log has not taken what came of them. Says so once a second for all of them: when a store
 * goes away there may be a thousand at once.
 */
export class UnrecordedOutcomes {
  private readonly attempts = new Set<{ readonly runId: RunId }>();
  private saidMs = -Infinity;

  constructor(
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  /** The outcome of this attempt is to be recorded again, when there is a next time. */
  add(attempt: { readonly runId: RunId }, cause: unknown, again: boolean): void {
    this.attempts.add(attempt);
    // Of what passes by itself, as a full disk, the engine has told; of what is left at the end, `stop` tells.
    if (!again || isPassing(cause) || this.clock.monotonicMs() - this.saidMs < SAID_EVERY_MS) return;
    this.saidMs = this.clock.monotonicMs();
    const reason = cause instanceof Error ? cause.message : String(cause);
    this.log.error('outcomes could not be recorded; trying again', { attempts: this.attempts.size, reason });
  }

  delete(attempt: { readonly runId: RunId }): void {
    if (this.attempts.size > 0) this.attempts.delete(attempt);
  }

  shards(): readonly Shard[] {
    return [...this.attempts].map(({ runId }) => shardOf(runId));
  }

  /** Says what is left behind: whoever takes the runs over knows nothing of it. */
  stop(): void {
    const { size } = this.attempts;
    if (size > 0) this.log.error('outcomes were not recorded before the stop; they become unknown', { attempts: size });
  }
}
