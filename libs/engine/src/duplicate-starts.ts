import type { NoteDuplicateStarts } from '#domain';
import type { Clock } from '#runtime';
import type { CommandResult } from './queued-command.js';
import type { EngineCounts } from './engine-counts.js';
import type { LoadedRun, RunId, StartReply } from './runs.js';

const NOTED_EVERY_MS = 60_000;
/** Runs whose duplicates are counted at a time: with one more, what is counted of the one counted longest is noted at once. */
const COUNTED_RUNS_MAX = 10_000;

/** What is counted and not yet on its way into the log. */
type Counter = { replayed: number; refused: number; writing: boolean; cancel: (() => void) | null };

export interface DuplicateNotes {
  write(runId: RunId, command: NoteDuplicateStarts, done: (result: CommandResult) => void): void;
  /** Nothing will ever be noted of the run again. */
  isClosed(loaded: LoadedRun): boolean;
}

/**
 * Counts starts whose key was known, those that were answered again and those that were refused, so that the log tells of
 * them without growing with them: the first is noted at once, the others together, at most once a minute and run, and at a stop.
 */
export class DuplicateStarts {
  private readonly counters = new Map<RunId, Counter>();
  private writing = 0;
  private written: (() => void)[] = [];
  private stopped = false;

  constructor(
    private readonly clock: Clock,
    private readonly counts: EngineCounts,
    private readonly notes: DuplicateNotes,
  ) {}

  /** What a start is told, which is given back. */
  answered(runId: RunId, reply: StartReply): StartReply {
    if (reply.status === 'replayed') this.note(runId, 'replayed');
    else if (reply.status === 'rejected' && reply.rejection.code === 'key-reused') this.note(runId, 'refused');
    return reply;
  }

  private note(runId: RunId, answer: 'replayed' | 'refused'): void {
    this.counts.duplicates[answer] += 1;
    const known = this.counters.get(runId);
    const counter = known ?? { replayed: 0, refused: 0, writing: false, cancel: null };
    counter[answer] += 1;
    if (known !== undefined && !this.stopped) return;
    this.counters.set(runId, counter);
    this.flush(runId, counter);
    if (this.counters.size <= COUNTED_RUNS_MAX) return;
    const [oldest] = this.counters;
    if (oldest === undefined) return;
    this.counters.delete(oldest[0]);
    this.flush(...oldest, true);
  }

  /** Notes what is counted: however short a time ago something was noted, it is the last. */
  async stop(): Promise<void> {
    this.stopped = true;
    for (const [runId, counter] of this.counters) this.flush(runId, counter);
    if (this.writing > 0) await new Promise<void>((resolve) => this.written.push(resolve));
  }

  private flush(runId: RunId, counter: Counter, last = this.stopped): void {
    // What comes meanwhile follows when it is written.
    if (counter.writing) return;
    counter.cancel?.();
    counter.cancel = null;
    const { replayed, refused } = counter;
    if (replayed + refused === 0) return this.drop(runId, counter);
    [counter.replayed, counter.refused, counter.writing] = [0, 0, true];
    this.writing += 1;
    this.notes.write(runId, { type: 'NoteDuplicateStarts', count: replayed, refused, last }, (result) => {
      counter.writing = false;
      const isNoted = result.status === 'accepted' && result.changed;
      if (!isNoted) {
        counter.replayed += replayed;
        counter.refused += refused;
      }
      this.goOn(runId, counter, result);
      this.writing -= 1;
      if (this.writing === 0) for (const resolve of this.written.splice(0)) resolve();
    });
  }

  private goOn(runId: RunId, counter: Counter, result: CommandResult): void {
    const isClosed =
      result.status === 'rejected' || (result.status === 'accepted' && this.notes.isClosed(result.loaded));
    if (isClosed) return this.drop(runId, counter);
    if (!this.stopped) counter.cancel = this.clock.after(NOTED_EVERY_MS, () => this.flush(runId, counter));
    else if (result.status === 'accepted' && result.changed) this.flush(runId, counter);
  }

  private drop(runId: RunId, counter: Counter): void {
    if (this.counters.get(runId) === counter) this.counters.delete(runId);
  }
}
