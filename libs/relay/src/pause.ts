import type { Clock } from '#runtime';

/** Resolves after the time, or as soon as the signal aborts. */
export const pause = (clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const end = (): void => {
      takeBack();
      signal.removeEventListener('abort', end);
      resolve();
    };
    const takeBack = clock.after(delayMs, end);
    signal.addEventListener('abort', end);
  });

/** Doubles at each failure up to a bound, with half of it left to chance, so that many do not come back at one moment. */
export class BackOff {
  #delayMs: number;

  constructor(
    readonly minMs: number,
    readonly maxMs: number,
    readonly jitter: () => number,
  ) {
    this.#delayMs = minMs;
  }

  next(): number {
    const delayMs = this.#delayMs * (0.5 + this.jitter() / 2);
    this.#delayMs = Math.min(this.#delayMs * 2, this.maxMs);
    return delayMs;
  }

  reset(): void {
    this.#delayMs = this.minMs;
  }
}
