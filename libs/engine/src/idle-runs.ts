import type { ChurnMap } from '#runtime';
import type { Mailbox } from './mailbox.js';
import type { RunId } from './runs.js';

/** Runs that wait for something far away, or were only looked at, take so much memory at most; others are folded anew. */
const IDLE_BYTES_MAX = 64 * 1024 * 1024;

/** Which of the runs in memory have nothing to do there, the one left longest first. */
export class IdleRuns {
  /** What each takes. By id, since a table that was outgrown would hold mailboxes. */
  private readonly bytes = new Map<RunId, number>();
  private total = 0;

  constructor(private readonly mailboxes: ChurnMap<RunId, Mailbox>) {}

  keep(mailbox: Mailbox): void {
    const { runId, bytes } = mailbox;
    // One that was forgotten goes by itself; another of the same run may be there by now.
    if (this.mailboxes.get(runId) !== mailbox) return;
    this.delete(runId);
    this.bytes.set(runId, bytes);
    this.total += bytes;
    for (const [oldest] of this.bytes) {
      if (this.total <= IDLE_BYTES_MAX) return;
      this.delete(oldest);
      const dropped = this.mailboxes.get(oldest);
      if (dropped !== undefined && !dropped.busy && dropped.queue.length === 0) this.mailboxes.delete(oldest);
    }
  }

  remove(mailbox: Mailbox): void {
    if (this.mailboxes.get(mailbox.runId) === mailbox) this.delete(mailbox.runId);
  }

  private delete(runId: RunId): void {
    const bytes = this.bytes.get(runId);
    if (bytes === undefined) return;
    this.bytes.delete(runId);
    this.total -= bytes;
  }
}
