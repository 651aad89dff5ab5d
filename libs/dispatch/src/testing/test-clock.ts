import type { Clock } from '#runtime';

/** A clock that moves when a test says so; the wall clock may jump apart from the monotonic one. */
export class TestClock implements Clock {
  private monotonic = 1_000;
  private aheadMs = Date.parse('2026-01-01T00:00:00.000Z');
  private timers: { readonly atMs: number; readonly call: () => void }[] = [];

  nowMs(): number {
    return this.monotonic + this.aheadMs;
  }

  monotonicMs(): number {
    return this.monotonic;
  }

  now(): string {
    return new Date(this.nowMs()).toISOString();
  }

  after(delayMs: number, call: () => void): () => void {
    const timer = { atMs: this.monotonic + delayMs, call };
    this.timers.push(timer);
    return () => {
      this.timers = this.timers.filter((other) => other !== timer);
    };
  }

  /** How many timers are set. */
  get timersSet(): number {
    return this.timers.length;
  }

  /** Somebody sets the wall clock. */
  jump(ms: number): void {
    this.aheadMs += ms;
  }

  /** Time passes; timers fire in order. */
  pass(ms: number): void {
    const until = this.monotonic + ms;
    for (;;) {
      const due = this.timers.filter(({ atMs }) => atMs <= until).sort((a, b) => a.atMs - b.atMs)[0];
      if (due === undefined) break;
      this.timers = this.timers.filter((other) => other !== due);
      this.monotonic = Math.max(this.monotonic, due.atMs);
      due.call();
    }
    this.monotonic = until;
  }
}
