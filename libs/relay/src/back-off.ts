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
