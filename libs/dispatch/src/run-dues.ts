import { isEnded, toMs, type Run } from '#domain';
import type { Committed, RunId } from '#engine';
import type { Position } from '#event-store';
import type { Clock, Log } from '#runtime';
import type { OpenRun, OpenRuns } from './open-runs/open-runs.js';
import type { Timer, TimerWheel } from './timer-wheel.js';

const WRITE_EVERY_MS = 500;
/** What is due within this is held in memory; the rest waits in the table. */
const HORIZON_MS = 60_000;
const REFILL_EVERY_MS = 30_000;
const OVERDUE_MS = 30_000;
const PAGE_RUNS = 1_000;
const WAKES_AT_ONCE = 64;

/** What keeps a run's time: its owner wakes it, and says whether it has it in hand anyway. */
export interface Wakes {
  wake(runId: RunId, done: () => void): void;
  isInHand(runId: RunId): boolean;
}

/**
 * When each open run next owes something. Dues of the next minute are timers, all others rows of the table, which is
 * written in batches; a run shorter than a batch is never written.
 */
export class RunDues {
  private readonly timers = new Map<RunId, { readonly dueMs: number; readonly timer: Timer }>();
  private batch = new Map<RunId, { dueMs: number; readonly fresh: boolean }>();
  private ended: RunId[] = [];
  private position: Position | null = null;
  private writing: Promise<void> | null = null;
  private cancelWrite: (() => void) | null = null;
  private cancelRefill: (() => void) | null = null;
  private stopped = false;
  /** Runs that were found overdue by 30 s with nobody at work on them, since the start. */
  overdue = 0;

  constructor(
    private readonly table: OpenRuns,
    private readonly wheel: TimerWheel,
    private readonly clock: Clock,
    private readonly log: Log,
    private readonly wakes: Wakes,
  ) {}

  /** Begins to write, and wakes what is due. Resolves once the first rows are on their way. */
  start(): void {
    this.writeLater();
    void this.refill();
  }

  /** Writes what is noted; nothing fires any more. */
  async stop(): Promise<void> {
    this.stopped = true;
    this.cancelWrite?.();
    this.cancelRefill?.();
    for (const { timer } of this.timers.values()) this.wheel.cancel(timer);
    this.timers.clear();
    await this.writing;
    await this.write();
  }

  /** Takes note of a commit. */
  committed({ runId, run, fresh, position }: Committed): void {
    this.position = position;
    const timerMs = nextTimerMs(run);
    const active = isActive(run);
    this.keepTimer(runId, active || timerMs < this.clock.nowMs() + HORIZON_MS ? timerMs : Infinity);
    const noted = this.batch.get(runId);
    if (isEnded(run)) {
      if (noted !== undefined) this.batch.delete(runId);
      if (noted?.fresh !== true && !fresh) this.ended.push(runId);
      return;
    }
    const dueMs = active || timerMs === Infinity ? 0 : timerMs;
    if (noted !== undefined) noted.dueMs = dueMs;
    else this.batch.set(runId, { dueMs, fresh });
  }

  private keepTimer(runId: RunId, dueMs: number): void {
    const kept = this.timers.size === 0 ? undefined : this.timers.get(runId);
    if (kept?.dueMs === dueMs || (kept === undefined && dueMs === Infinity)) return;
    if (kept !== undefined) {
      this.wheel.cancel(kept.timer);
      this.timers.delete(runId);
    }
    if (dueMs === Infinity || this.stopped) return;
    const timer = this.wheel.at(dueMs, () => {
      this.timers.delete(runId);
      this.wakes.wake(runId, () => undefined);
    });
    this.timers.set(runId, { dueMs, timer });
  }

  private writeLater(): void {
    if (this.stopped) return;
    this.cancelWrite = this.clock.after(WRITE_EVERY_MS, () => {
      this.writing = this.write().then(() => this.writeLater());
    });
  }

  private async write(): Promise<void> {
    const { position, batch, ended } = this;
    if (position === null) return;
    this.position = null;
    this.batch = new Map();
    this.ended = [];
    const open = [...batch].map(([runId, { dueMs }]) => ({ runId, dueMs }));
    try {
      await this.table.write({ open, ended, checkpoint: position });
    } catch (error) {
      // The table is made anew from the log at the next start; until then dues beyond the next minute are at risk.
      this.log.error('the table of open runs could not be written', { err: error });
      for (const [runId, entry] of batch)
        if (!this.batch.has(runId)) this.batch.set(runId, { dueMs: entry.dueMs, fresh: false });
      this.ended.push(...ended);
    }
  }

  private async refill(): Promise<void> {
    try {
      await this.wakeDue();
    } catch (error) {
      if (!this.stopped) this.log.error('the table of open runs could not be read', { err: error });
    }
    if (!this.stopped) this.cancelRefill = this.clock.after(REFILL_EVERY_MS, () => void this.refill());
  }

  /** Goes through the rows due within the horizon: sets timers, wakes what is due and in nobody's hand. */
  private async wakeDue(): Promise<void> {
    const nowMs = this.clock.nowMs();
    let after: OpenRun | null = null;
    const first = this.cancelRefill === null;
    for (;;) {
      const page: readonly OpenRun[] = await this.table.due(nowMs + HORIZON_MS, after, PAGE_RUNS);
      const due = page.filter(
        ({ runId }) => !this.timers.has(runId) && !this.wakes.isInHand(runId) && !this.batch.has(runId),
      );
      for (const { runId, dueMs } of due) if (dueMs > nowMs) this.keepTimer(runId, dueMs);
      const late = due.filter(({ dueMs }) => dueMs <= nowMs);
      if (!first) this.overdue += late.filter(({ dueMs }) => dueMs < nowMs - OVERDUE_MS).length;
      await this.wakeAll(late);
      const last = page.at(-1);
      if (last === undefined || page.length < PAGE_RUNS || this.stopped) return;
      after = last;
    }
  }

  private async wakeAll(runs: readonly OpenRun[]): Promise<void> {
    for (let from = 0; from < runs.length && !this.stopped; from += WAKES_AT_ONCE) {
      const some = runs.slice(from, from + WAKES_AT_ONCE);
      await Promise.all(some.map(({ runId }) => new Promise<void>((resolve) => this.wakes.wake(runId, resolve))));
    }
  }
}

/** The earliest instant at which time itself changes something; `Infinity` when none does. */
const nextTimerMs = (run: Run): number => {
  const { retries, deadlines, timeoutAt } = run.obligations;
  let dueMs = timeoutAt === null ? Infinity : toMs(timeoutAt);
  if (retries.size > 0) for (const at of retries.values()) dueMs = Math.min(dueMs, toMs(at));
  if (deadlines.size > 0) for (const at of deadlines.values()) dueMs = Math.min(dueMs, toMs(at));
  return dueMs;
};

/** Whether the run needs its owner now, time or not. */
const isActive = ({ obligations }: Run): boolean =>
  obligations.inFlight.size > 0 || obligations.ready.size > 0 || obligations.moves.size > 0;
