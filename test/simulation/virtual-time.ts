import { instantOf, type Clock } from '#runtime';

/** When the world begins, by the wall clock. */
const BEGIN_MS = Date.UTC(2026, 0, 1);

type Timer = { readonly dueMs: number; readonly order: number; call: (() => void) | null };

/**
 * Time that passes only when nothing is left to do: whatever is asked to happen later happens in the order of its instants, and
 * the next thing begins when all that followed from the one before has come to rest. So a world without sockets, files and
 * threads goes the same way each time.
 */
export class VirtualTime implements Clock {
  /** A heap: the next one first. */
  private readonly timers: Timer[] = [];
  private order = 0;
  private atMs = 0;

  nowMs = (): number => Math.floor(BEGIN_MS + this.atMs);
  monotonicMs = (): number => this.atMs;
  now = (): string => instantOf(this.nowMs());

  after = (delayMs: number, call: () => void): (() => void) => {
    const timer: Timer = { dueMs: this.atMs + Math.max(0, delayMs), order: this.order++, call };
    this.push(timer);
    return () => {
      timer.call = null;
    };
  };

  /** Lets time pass until this has come to an end. */
  async until<Result>(result: Promise<Result>): Promise<Result> {
    let ended = false;
    result.then(
      () => (ended = true),
      () => (ended = true),
    );
    for (;;) {
      await rest();
      if (ended) return result;
      const next = this.pop();
      if (next === null) throw new Error('the simulated world stands still: nothing will ever happen again');
      if (next.call === null) continue;
      this.atMs = next.dueMs;
      next.call();
    }
  }

  private push(timer: Timer): void {
    const { timers } = this;
    let at = timers.push(timer) - 1;
    while (at > 0) {
      const above = (at - 1) >> 1;
      if (!isBefore(timers[at]!, timers[above]!)) return;
      this.swap(at, above);
      at = above;
    }
  }

  private pop(): Timer | null {
    const { timers } = this;
    const first = timers[0];
    const last = timers.pop();
    if (first === undefined || last === undefined) return null;
    if (timers.length === 0) return first;
    timers[0] = last;
    for (let at = 0; ;) {
      let least = at;
      for (const below of [2 * at + 1, 2 * at + 2])
        if (below < timers.length && isBefore(timers[below]!, timers[least]!)) least = below;
      if (least === at) return first;
      this.swap(at, least);
      at = least;
    }
  }

  private swap(one: number, other: number): void {
    const kept = this.timers[one]!;
    this.timers[one] = this.timers[other]!;
    this.timers[other] = kept;
  }
}

const isBefore = (one: Timer, other: Timer): boolean =>
  one.dueMs < other.dueMs || (one.dueMs === other.dueMs && one.order < other.order);

/** All that can happen without time passing has happened: no promise and no turn of the event loop is due. */
const rest = async (): Promise<void> => {
  do await new Promise((resolve) => setImmediate(resolve));
  while (process.getActiveResourcesInfo().includes('Immediate'));
};
