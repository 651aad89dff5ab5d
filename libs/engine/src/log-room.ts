import type { AppendOutcome } from '#event-store';
import type { Clock, Log } from '#runtime';

/** So long as any work waits for room it is tried every second; what was found longer ago says nothing of now. */
const FULL_FOR_MS = 10_000;

/** Whether the log has room, as its last appends have told. Says so once when it has none, and once when it has again. */
export class LogRoom {
  private full = false;
  private fullAtMs = -Infinity;

  constructor(
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  noteOutcome(outcome: AppendOutcome): void {
    if (outcome.status === 'refused') {
      if (!this.full)
        this.log.error('the event log has no room: nothing is started or recorded until it has', {
          err: outcome.fault,
        });
      this.full = true;
      this.fullAtMs = this.clock.monotonicMs();
    } else if (this.full && outcome.status === 'appended') {
      this.full = false;
      this.log.info('the event log has room again');
    }
  }

  get isFull(): boolean {
    return this.full && this.clock.monotonicMs() - this.fullAtMs < FULL_FOR_MS;
  }
}
