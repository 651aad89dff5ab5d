import type { ChurnMap } from '#runtime';
import type { Mailbox } from './mailbox.js';
import type { RunId } from './runs.js';

/** Runs that wait for something far away, or were only looked at, are kept this many at most; others are folded anew. */
const IDLE_MAX = 512;

/** Which of the runs in memory have nothing to do there, the one left longest first. */
export class IdleRuns {
  private readonly ids = new Set<RunId>();

  constructor(private readonly mailboxes: ChurnMap<RunId, Mailbox>) {}

  keep({ runId }: Mailbox): void {
    this.ids.delete(runId);
    this.ids.add(runId);
    if (this.ids.size <= IDLE_MAX) return;
    for (const oldest of this.ids) {
      this.ids.delete(oldest);
      const dropped = this.mailboxes.get(oldest);
      if (dropped !== undefined && !dropped.busy && dropped.queue.length === 0) this.mailboxes.delete(oldest);
      return;
    }
  }

  remove(runId: RunId): void {
    this.ids.delete(runId);
  }
}
