import type { Clock } from '#runtime';
import type { CommandResult } from './mailbox.js';
import type { RunId } from './runs.js';

const NOTED_EVERY_MS = 60_000;
/** Runs whose duplicates are counted at a time; past it duplicates are answered and not counted. */
const COUNTED_RUNS_MAX = 10_000;

type Counter = { count: number; cancel: (() => void) | null };
type Note = (runId: RunId, count: number, done: (result: CommandResult) => void) => void;

/**
 * Counts starts whose key was known, so that the log tells of them without growing with them: the first is noted at
 * once, the others together, at most once a minute and run.
 */
export class DuplicateStarts {
  private readonly counters = new Map<RunId, Counter>();
  private writing = 0;
  private written: (() => void)[] = [];
  private stopped = false;

  constructor(
    private readonly clock: Clock,
    private readonly write: Note,
  ) {}

  note(runId: RunId): void {
    const counter = this.counters.get(runId);
    if (counter !== undefined) counter.count += 1;
    else if (this.counters.size < COUNTED_RUNS_MAX && !this.stopped) {
      const first: Counter = { count: 1, cancel: null };
      this.counters.set(runId, first);
      this.flush(runId, first);
    }
  }

  /** Notes what is counted and still may be noted. */
  async stop(): Promise<void> {
    this.stopped = true;
    for (const [runId, counter] of this.counters) {
      counter.cancel?.();
      if (counter.count > 0) this.flush(runId, counter);
    }
    if (this.writing > 0) await new Promise<void>((resolve) => this.written.push(resolve));
  }

  private flush(runId: RunId, counter: Counter): void {
    const { count } = counter;
    counter.cancel = null;
    if (count === 0) {
      this.counters.delete(runId);
      return;
    }
    this.writing += 1;
    this.write(runId, count, (result) => {
      if (result.status === 'accepted' && result.changed) counter.count -= count;
      this.writing -= 1;
      if (this.writing === 0) for (const resolve of this.written.splice(0)) resolve();
      if (!this.stopped) counter.cancel = this.clock.after(NOTED_EVERY_MS, () => this.flush(runId, counter));
    });
  }
}
