import { isPassing, RunParked, type Origin, type RunEngine, type RunId } from '#engine';
import { shardOf, type Shard } from '#event-store';
import type { Clock, Log } from '#runtime';
import type { OutcomeCommand } from './outcome-command.js';
import type { TimerWheel } from './timer-wheel.js';

const RECORD_AGAIN_MS = 1_000;
const SAID_EVERY_MS = 1_000;

/** An attempt that is over; the same object however often its outcome is recorded. */
type Ended = { readonly runId: RunId };

/**
 * Hands what came of attempts to their runs, each until the run takes or refuses it: what came back is not thrown away. What the log
 * does not take is said once a second for all of them: when a store goes away there may be a thousand at once.
 */
export class Outcomes {
  private readonly unrecorded = new Set<Ended>();
  private saidMs = -Infinity;
  private ending = false;
  /** Answers that came for an attempt that was over already; dropped. */
  superseded = 0;

  constructor(
    private readonly engine: Pick<RunEngine, 'submit'>,
    private readonly wheel: Pick<TimerWheel, 'after'>,
    private readonly clock: Clock,
    private readonly log: Log,
    private readonly origin: Origin,
    private readonly isOurs: (runId: RunId) => boolean,
  ) {}

  record(attempt: Ended, command: OutcomeCommand): void {
    this.engine.submit(attempt.runId, command, this.origin, (result) => {
      if (this.unrecorded.size > 0) this.unrecorded.delete(attempt);
      if (result.status === 'rejected') this.superseded += 1;
      if (result.status !== 'unavailable' || !this.isOurs(attempt.runId)) return;
      // Nothing takes it here, and whoever tries the run again finds its attempt without an outcome.
      if (result.cause instanceof RunParked) return;
      this.unrecorded.add(attempt);
      if (this.ending) return;
      this.say(result.cause);
      this.wheel.after(RECORD_AGAIN_MS, () => this.record(attempt, command));
    });
  }

  /** Of which shards there are any that are not recorded yet. */
  shards(): readonly Shard[] {
    return [...this.unrecorded].map(({ runId }) => shardOf(runId));
  }

  /** Nothing is tried again from now on. */
  end(): void {
    this.ending = true;
  }

  /** Says what is left behind: whoever takes the runs over knows nothing of it. */
  stop(): void {
    const { size } = this.unrecorded;
    if (size > 0) this.log.error('outcomes were not recorded before the stop; they become unknown', { attempts: size });
  }

  private say(cause: unknown): void {
    // Of what passes by itself, as a full disk, the engine has told.
    if (isPassing(cause) || this.clock.monotonicMs() - this.saidMs < SAID_EVERY_MS) return;
    this.saidMs = this.clock.monotonicMs();
    const reason = cause instanceof Error ? cause.message : String(cause);
    this.log.error('outcomes could not be recorded; trying again', { attempts: this.unrecorded.size, reason });
  }
}
