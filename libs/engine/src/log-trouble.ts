import type { Clock, Log } from '#runtime';

const SAID_EVERY_MS = 1_000;

/**
 * Says what is amiss with the log, once a second for all appends and reads together and without a stack: while a store is
 * away a line for each would cost more than the work does.
 */
export class LogTrouble {
  private appends = 0;
  private repeats = 0;
  private reads = 0;
  private reason = '';
  private sinceMs = 0;
  private cancel: (() => void) | null = null;
  private stopped = false;

  constructor(
    private readonly clock: Clock,
    private readonly log: Log,
    /** How many appends wait for their outcome. */
    private readonly waiting: () => number,
  ) {}

  /** The store has left the outcome of an append unknown: for the first time, or again. */
  unknown(first: boolean, cause: unknown): void {
    if (first) this.appends += 1;
    else this.repeats += 1;
    this.note(cause);
  }

  /** A run could not be read now. */
  unread(cause: unknown): void {
    this.reads += 1;
    this.note(cause);
  }

  /**
   * Says what is not said yet, and nothing from then on. An outcome can come later still, of a store that stops after the engine:
   * a line a second about it would keep the process, and end with a log that answers again, which it does not.
   */
  stop(): void {
    this.cancel?.();
    if (this.isNews) this.say();
    this.cancel?.();
    this.stopped = true;
  }

  private get isNews(): boolean {
    return this.appends + this.repeats + this.reads > 0;
  }

  private note(cause: unknown): void {
    if (this.stopped) return;
    this.reason = cause instanceof Error ? cause.message : String(cause);
    if (this.cancel !== null) return;
    this.sinceMs = this.clock.monotonicMs();
    this.say();
  }

  private say(): void {
    const { appends, repeats, reads, reason } = this;
    const waiting = this.waiting();
    if (this.isNews) this.log.warn('the log gives no answer', { appends, repeats, reads, waiting, reason });
    else if (waiting === 0) {
      this.cancel = null;
      return this.log.info('the log answers again', { afterMs: Math.round(this.clock.monotonicMs() - this.sinceMs) });
    }
    this.appends = this.repeats = this.reads = 0;
    this.cancel = this.clock.after(SAID_EVERY_MS, () => this.say());
  }
}

/** A fault that passes by itself, as of a store that is away. */
export const isPassing = (cause: unknown): cause is Error =>
  cause instanceof Error && 'retryable' in cause && cause.retryable === true;
