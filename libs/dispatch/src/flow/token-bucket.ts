import type { Clock } from '#runtime';

const MS_A_SECOND = 1_000;
// What a sum of fractions may be short of a whole.
const EPSILON = 1e-6;

/** How many may begin: `perSecond` in the long run, `burst` at once after a pause. By the monotonic clock; no timers. */
export class TokenBucket {
  private tokens: number;
  private filledAtMs: number;

  constructor(
    private readonly clock: Clock,
    private perSecond: number,
    private burst: number,
  ) {
    this.tokens = burst;
    this.filledAtMs = clock.monotonicMs();
  }

  /** Another rate from now on; what was gathered under the old one stays, within the new burst. */
  become(perSecond: number, burst: number): void {
    this.fill();
    this.perSecond = perSecond;
    this.burst = burst;
    this.tokens = Math.min(this.tokens, burst);
  }

  hasToken(): boolean {
    this.fill();
    return this.tokens >= 1 - EPSILON;
  }

  spend(): void {
    this.tokens -= 1;
  }

  /** For what did not begin after all. */
  giveBack(): void {
    this.tokens = Math.min(this.burst, this.tokens + 1);
  }

  /** Nothing is remembered that a new bucket would not know. */
  isFull(): boolean {
    this.fill();
    return this.tokens >= this.burst - EPSILON;
  }

  /** Until there is a token; `null` when none will come at this rate. */
  msToToken(): number | null {
    this.fill();
    if (this.tokens >= 1 - EPSILON) return 0;
    return this.perSecond > 0 ? ((1 - this.tokens) / this.perSecond) * MS_A_SECOND : null;
  }

  private fill(): void {
    const nowMs = this.clock.monotonicMs();
    const gained = ((nowMs - this.filledAtMs) / MS_A_SECOND) * this.perSecond;
    this.tokens = Math.min(this.burst, this.tokens + gained);
    this.filledAtMs = nowMs;
  }
}
