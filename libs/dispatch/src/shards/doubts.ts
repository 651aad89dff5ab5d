import type { RunId } from '#engine';
import type { Position } from '#event-store';
import type { Clock, Log } from '#runtime';

/**
 * An attempt that another has started since our take-over: either its maker had an append on the way when it lost the
 * shard, or we have lost it and do not know yet. By then we do: who has not shown for so long that he lives starts nothing.
 */
const DOUBT_MS = 10_000;

/** About the start of an attempt: whether its maker or we are the owner. */
type Doubt = { readonly startedAt: Position; over: boolean; cancel: () => void };

/** Runs of which it is not sure yet that they are ours. */
export class Doubts {
  private readonly doubts = new Map<RunId, Doubt>();

  constructor(
    private readonly clock: Clock,
    private readonly log: Log,
    /** Has a run looked at again. */
    private readonly lookAgain: (runId: RunId) => void,
  ) {}

  /** Whether the run is in doubt now. */
  has(runId: RunId): boolean {
    return this.doubts.size > 0 && this.doubts.get(runId)?.over === false;
  }

  /** Whether it is sure that the maker of an attempt is gone: it was started before our take-over at `head`, or long ago. */
  isSure(runId: RunId, startedAt: Position, head: Position): boolean {
    const known = this.doubts.get(runId);
    if (startedAt <= head || (known?.startedAt === startedAt && known.over)) {
      known?.cancel();
      this.doubts.delete(runId);
      return true;
    }
    if (known?.startedAt === startedAt) return false;
    this.log.warn('another dispatcher has started an attempt of a run of ours; waiting until it is sure whose it is', {
      runId,
    });
    known?.cancel();
    const doubt: Doubt = { startedAt, over: false, cancel: () => undefined };
    this.doubts.set(runId, doubt);
    doubt.cancel = this.clock.after(DOUBT_MS, () => {
      doubt.over = true;
      if (this.doubts.get(runId) === doubt) this.lookAgain(runId);
    });
    return false;
  }

  drop(isDropped: (runId: RunId) => boolean): void {
    for (const [runId, { cancel }] of this.doubts) {
      if (!isDropped(runId)) continue;
      cancel();
      this.doubts.delete(runId);
    }
  }
}
