import { hasStepEnded } from '#domain';
import type { Clock, Log } from '#runtime';
import { loadedOf } from './load-run.js';
import type { Mailbox } from './mailbox.js';
import { callBack } from './readers.js';
import type { EndCall, LoadedRun, RunId } from './runs.js';

const AGAIN_MS = 1_000;

export interface EndWaitersEvents {
  /** The run is to be looked at again. */
  look(runId: RunId): void;
  /** So many wait no more. */
  left(count: number): void;
}

/** Who waits for the ends of runs, and of their steps: is told once, and outlives a run that cannot be read for a while. */
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
    if (awaitingEnd.size > 0) this.call(runId, awaitingEnd.takeAll(), loaded);
  }

  /** Tells those whose step has ended, by the state that the log says. */
  tellOfSteps(mailbox: Mailbox): void {
    const { runId, awaitingEnd, state } = mailbox;
    if (awaitingEnd.size === 0 || state === null) return;
    const calls = awaitingEnd.takeByStep((key) => hasStepEnded(state, key));
    if (calls.length > 0) this.call(runId, calls, loadedOf(mailbox));
  }

  /** False when it was told before. */
  takeBack({ awaitingEnd }: Mailbox, call: EndCall): boolean {
    if (!awaitingEnd.delete(call)) return false;
    this.events.left(1);
    return true;
  }

  /** Who waits with a mailbox that is forgotten waits with the next one, whose run is looked at after a second. Not at a stop. */
  move({ runId, awaitingEnd }: Mailbox, next: Mailbox): void {
    if (this.stopped) return;
    awaitingEnd.moveTo(next.awaitingEnd);
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

  private call(runId: RunId, calls: readonly EndCall[], loaded: LoadedRun | null): void {
    this.events.left(calls.length);
    for (const call of calls) callBack(this.log, runId, call, loaded);
  }

  private lookAtAll(): void {
    this.cancel = null;
    const runs = [...this.unread];
    this.unread.clear();
    for (const runId of runs) this.events.look(runId);
  }
}
