import { Bag, type Clock } from '#runtime';

const TICK_MS = 8;
const SLOTS = 4096;
/** Steps of the wall clock below this are let pass; above it, what is due by the wall clock is placed anew. */
const CLOCK_JUMP_MS = 250;
const CLOCK_CHECK_MS = 1_000;

/** So late, the process stood still: answers may wait in its sockets, of which one turn reads 64 KB each, and their ends. */
const STALL_MS = 50;
const TURNS_AFTER_STALL = 16;

const afterLoopTurns = (turns: number, call: () => void): void => {
  setImmediate(() => (turns > 1 ? afterLoopTurns(turns - 1, call) : call()));
};

/** One wait. Opaque to callers: hand it back to `cancel`. */
export type Timer = {
  tick: number;
  /** By the wall clock; `null` for a plain delay. */
  readonly dueMs: number | null;
  readonly call: () => void;
  slot: Bag<Timer> | null;
  place: number;
};

/**
 * The one timer structure of the dispatcher: deadlines of exchanges (a delay, by the monotonic clock) and dues of runs
 * (an instant, by the wall clock). Placing and taking back cost a set operation. Fires each wait once and never early:
 * when the wall clock jumps, what is due by it is placed anew within a second. What is due fires only after all that had
 * come by then was read: a process that stood still drops no answer that waits in its sockets.
 */
export class TimerWheel {
  private readonly slots: Bag<Timer>[] = Array.from({ length: SLOTS }, () => new Bag<Timer>());
  private readonly byWallClock = new Set<Timer>();
  private size = 0;
  private lastTick: number;
  private wallAheadMs: number;
  private checkedAtMs: number;
  private stopPump: (() => void) | null = null;
  private pumping = false;
  private stopped = false;

  constructor(
    private readonly clock: Clock,
    private readonly afterTurns: (turns: number, call: () => void) => void = afterLoopTurns,
  ) {
    this.lastTick = this.tickOf(clock.monotonicMs());
    this.wallAheadMs = clock.nowMs() - clock.monotonicMs();
    this.checkedAtMs = clock.monotonicMs();
  }

  after(delayMs: number, call: () => void): Timer {
    return this.place({ tick: 0, dueMs: null, call, slot: null, place: -1 }, this.clock.monotonicMs() + delayMs);
  }

  at(dueMs: number, call: () => void): Timer {
    const timer: Timer = { tick: 0, dueMs, call, slot: null, place: -1 };
    if (!this.stopped) this.byWallClock.add(timer);
    return this.place(timer, this.clock.monotonicMs() + dueMs - this.clock.nowMs());
  }

  /** Takes a wait back; nothing happens when it has fired already. */
  cancel(timer: Timer): void {
    if (timer.slot === null || this.stopped) return;
    timer.slot.delete(timer);
    timer.slot = null;
    this.size -= 1;
    if (timer.dueMs !== null) this.byWallClock.delete(timer);
  }

  /** Nothing fires any more, nor is placed. */
  stop(): void {
    this.stopped = true;
    this.stopPump?.();
    this.stopPump = null;
    for (const slot of this.slots) slot.clear();
    this.byWallClock.clear();
    this.size = 0;
  }

  private tickOf(monotonicMs: number): number {
    return Math.floor(monotonicMs / TICK_MS);
  }

  private place(timer: Timer, monotonicMs: number): Timer {
    if (this.stopped) return timer;
    // Nothing was waited for in the ticks that went by meanwhile; a wait that is late already must not land in one of them.
    if (this.size === 0) this.lastTick = Math.max(this.lastTick, this.tickOf(this.clock.monotonicMs()) - 1);
    // One tick later than the one it falls in, so that it never fires early.
    timer.tick = Math.max(this.tickOf(monotonicMs), this.lastTick) + 1;
    timer.slot = this.slots[timer.tick % SLOTS] ?? null;
    timer.slot?.add(timer);
    this.size += 1;
    if (!this.pumping) this.pumpLater();
    return timer;
  }

  private pumpLater(): void {
    this.pumping = true;
    const dueMs = this.clock.monotonicMs() + TICK_MS;
    this.stopPump = this.clock.after(TICK_MS, () => {
      // The loop calls timers before it reads, and more time may pass while it reads.
      const nowMs = this.clock.monotonicMs();
      this.afterTurns(nowMs - dueMs > STALL_MS ? TURNS_AFTER_STALL : 1, () => this.pump(nowMs));
    });
  }

  /** Fires what was due by then. */
  private pump(nowMs: number): void {
    if (this.stopped) return;
    if (nowMs - this.checkedAtMs >= CLOCK_CHECK_MS) this.checkWallClock(nowMs);
    const tick = this.tickOf(nowMs);
    const from = Math.max(this.lastTick + 1, tick - SLOTS + 1);
    this.lastTick = Math.max(this.lastTick, tick);
    for (let passed = from; passed <= tick; passed++) {
      const slot = this.slots[passed % SLOTS];
      if (slot === undefined || slot.size === 0) continue;
      for (const timer of slot.items()) if (timer.slot === slot && timer.tick <= tick) this.fire(timer);
    }
    this.pumping = false;
    if (this.size > 0) this.pumpLater();
  }

  private fire(timer: Timer): void {
    timer.slot?.delete(timer);
    timer.slot = null;
    this.size -= 1;
    const earlyMs = timer.dueMs === null ? 0 : timer.dueMs - this.clock.nowMs();
    if (earlyMs > 0) {
      this.place(timer, this.clock.monotonicMs() + earlyMs);
      return;
    }
    if (timer.dueMs !== null) this.byWallClock.delete(timer);
    timer.call();
  }

  private checkWallClock(nowMs: number): void {
    this.checkedAtMs = nowMs;
    const aheadMs = this.clock.nowMs() - nowMs;
    if (Math.abs(aheadMs - this.wallAheadMs) < CLOCK_JUMP_MS) return;
    this.wallAheadMs = aheadMs;
    for (const timer of this.byWallClock) {
      timer.slot?.delete(timer);
      this.size -= 1;
      this.place(timer, nowMs + (timer.dueMs ?? 0) - this.clock.nowMs());
    }
  }
}
