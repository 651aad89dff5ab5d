import type { RunId } from '#engine';
import type { Clock } from '#runtime';

const PROBE_EVERY_MS = 1_000;

/**
 * Runs whose appends found no room in the log, and those that would have started an attempt since: nothing is started while
 * there are any. One of them a second is woken to see whether there is room again, all of them once something was appended.
 */
export class StalledRuns {
  private readonly runs = new Set<RunId>();
  private probing: RunId | null = null;
  private cancel: (() => void) | null = null;
  private stopped = false;

  constructor(
    private readonly clock: Clock,
    private readonly wake: (runId: RunId) => void,
  ) {}

  add(runId: RunId): void {
    if (this.probing === runId) this.probing = null;
    this.runs.add(runId);
    this.probeLater();
  }

  /** Whether the run may start attempts now; if not, it is woken when it may. */
  mayStart(runId: RunId): boolean {
    if (this.runs.size === 0 || this.probing === runId) return true;
    this.runs.add(runId);
    return false;
  }

  /** Something was appended. */
  release(): void {
    if (this.runs.size === 0) return;
    const runs = [...this.runs];
    this.runs.clear();
    this.probing = null;
    for (const runId of runs) this.wake(runId);
  }

  stop(): void {
    this.stopped = true;
    this.cancel?.();
    this.runs.clear();
  }

  private probeLater(): void {
    if (!this.stopped) this.cancel ??= this.clock.after(PROBE_EVERY_MS, () => this.probe());
  }

  private probe(): void {
    this.cancel = null;
    const [first] = this.runs;
    this.probing = first ?? null;
    if (first === undefined) return;
    this.runs.delete(first);
    this.wake(first);
    // Nothing may come of this one.
    if (this.runs.size > 0) this.probeLater();
  }
}
