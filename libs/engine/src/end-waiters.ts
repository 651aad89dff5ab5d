import type { Clock, Log } from '#runtime';
import type { Mailbox } from './mailbox.js';
import { callBack } from './readers.js';
import type { LoadedRun, RunId } from './runs.js';

const AGAIN_MS = 1_000;

export interface EndWaitersEvents {
  /** The run is to be looked at again. */
  look(runId: RunId): void;
  /** So many wait no more. */
  left(count: number): void;
}

/** Who waits for the ends of runs: is told once, and outlives a run that cannot be read for a while. */
export class EndWaiters {
  private readonly unread = new Set<RunId>();
  private cancel: (() => void) | null = null;
  private stopped = false;

  constructor(
    private readonly clock: Clock,
    private readonly log: Log,
    private readonly events: EndWaitersEvents,
  ) {}

  /** None of them is there any more when they are called: each may take itself back, and thousands may wait. */
  tell({ runId, awaitingEnd }: Mailbox, loaded: LoadedRun | null): void {
    if (awaitingEnd.size === 0) return;
    const waiting = [...awaitingEnd];
    awaitingEnd.clear();
    this.events.left(waiting.length);
    for (const call of waiting) callBack(this.log, runId, call, loaded);
  }

  /** False when it was told before. */
  takeBack({ awaitingEnd }: Mailbox, call: (loaded: LoadedRun | null) => void): boolean {
    if (!awaitingEnd.delete(call)) return false;
    this.events.left(1);
    return true;
  }

  /** Who waits with a mailbox that is forgotten waits with the next one, whose run is looked at after a second. Not at a stop. */
  move({ runId, awaitingEnd }: Mailbox, next: Mailbox): void {
    if (this.stopped) return;
    for (const call of awaitingEnd) next.awaitingEnd.add(call);
    awaitingEnd.clear();
    this.lookLater(runId);
  }

  /** The run cannot be read now: it is looked at after a second. */
  lookLater(runId: RunId): void {
    if (this.stopped) return;
    this.unread.add(runId);
    this.cancel ??= this.clock.after(AGAIN_MS, () => this.lookAtAll());
  }

  /** Nobody is looked after any more; who waits is told by whatever ends the run's mailbox. */
  stop(): void {
    this.stopped = true;
    this.cancel?.();
    this.unread.clear();
  }

  private lookAtAll(): void {
    this.cancel = null;
    const runs = [...this.unread];
    this.unread.clear();
    for (const runId of runs) this.events.look(runId);
  }
}
