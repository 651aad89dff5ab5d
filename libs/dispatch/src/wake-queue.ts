import type { RunId } from '#engine';

const WAKES_AT_ONCE = 64;

/** One wake; `done` when the run has been seen to. */
type Waking = { readonly anew: boolean; readonly done: (() => void) | null };
type Wake = (runId: RunId, anew: boolean, done: () => void) => void;

/** Wakes runs, so many at once: thousands that fall due in one moment are not all read in one turn. */
export class WakeQueue {
  private readonly waiting = new Map<RunId, Waking>();
  private underWay = 0;

  constructor(private readonly wake: Wake) {}

  /** `anew`: what is known of the run is not to be trusted, its stream is read again. */
  push(runId: RunId, anew: boolean, done: (() => void) | null = null): void {
    const before = this.waiting.get(runId);
    if (before === undefined && this.underWay < WAKES_AT_ONCE) return this.begin(runId, { anew, done });
    const both = (): void => {
      before?.done?.();
      done?.();
    };
    this.waiting.set(runId, { anew: anew || before?.anew === true, done: both });
  }

  /** Takes back what waits, as if it were done. */
  drop(isDropped: (runId: RunId) => boolean): void {
    for (const [runId, { done }] of this.waiting) {
      if (!isDropped(runId)) continue;
      this.waiting.delete(runId);
      done?.();
    }
  }

  private begin(runId: RunId, { anew, done }: Waking): void {
    this.underWay += 1;
    this.wake(runId, anew, () => {
      this.underWay -= 1;
      done?.();
      this.next();
    });
  }

  private next(): void {
    for (const [runId, waking] of this.waiting) {
      if (this.underWay >= WAKES_AT_ONCE) return;
      this.waiting.delete(runId);
      this.begin(runId, waking);
    }
  }
}
