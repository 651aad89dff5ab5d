import { ChurnMap } from '#runtime';
import type { Mailbox } from './mailbox.js';
import type { RunId } from './runs.js';

/** Runs that wait for something far away, or were only looked at, take so much memory at most; others are folded again. */
const IDLE_BYTES_MAX = 64 * 1024 * 1024;

/** The runs in memory. Those that have nothing to do there are bounded by bytes: the one left longest goes first. */
export class RunTable {
  private readonly mailboxes = new ChurnMap<RunId, Mailbox>();
  /** What each idle run takes. By id, since a table that was outgrown would hold mailboxes. */
  private readonly idleBytes = new Map<RunId, number>();
  private idleTotal = 0;

  constructor(private readonly make: (runId: RunId) => Mailbox) {}

  get size(): number {
    return this.mailboxes.size;
  }

  get(runId: RunId): Mailbox | undefined {
    return this.mailboxes.get(runId);
  }

  /** The mailbox of the run, made when there is none. */
  of(runId: RunId): Mailbox {
    const known = this.mailboxes.get(runId);
    if (known !== undefined) return known;
    const mailbox = this.make(runId);
    this.mailboxes.set(runId, mailbox);
    return mailbox;
  }

  values(): readonly Mailbox[] {
    return this.mailboxes.values();
  }

  /** It has nothing to do: others may take its place. */
  idle({ runId, bytes }: Mailbox): void {
    this.forgetIdle(runId);
    this.idleBytes.set(runId, bytes);
    this.idleTotal += bytes;
    for (const [oldest] of this.idleBytes) {
      if (this.idleTotal <= IDLE_BYTES_MAX) return;
      this.forgetIdle(oldest);
      this.mailboxes.get(oldest)?.evict();
    }
  }

  /** It has something to do, or somebody waits for it. */
  busy({ runId }: Mailbox): void {
    this.forgetIdle(runId);
  }

  /** Another mailbox of the same run may be there by now: that one stays. */
  delete(mailbox: Mailbox): void {
    const { runId } = mailbox;
    if (this.mailboxes.get(runId) !== mailbox) return;
    this.forgetIdle(runId);
    this.mailboxes.delete(runId);
  }

  private forgetIdle(runId: RunId): void {
    const bytes = this.idleBytes.get(runId);
    if (bytes === undefined) return;
    this.idleBytes.delete(runId);
    this.idleTotal -= bytes;
  }
}
