import { dueRetries, isEnded, nextDueMs, type Run, type SetBack } from '#domain';
import type { RunId, RunNews } from '#engine';
import { shardOf, SHARDS, type Position, type Shard } from '#event-store';
import type { Clock, Log } from '#runtime';
import type { OpenRun, OpenRuns } from './open-runs/open-runs.js';
import type { Timer, TimerWheel } from './timer-wheel.js';
import { WakeQueue } from './wake-queue.js';

const WRITE_EVERY_MS = 2_000;
/** What is due within this is held in memory; the rest waits in the table. */
const HORIZON_MS = 60_000;
const REFILL_EVERY_MS = 30_000;
const OVERDUE_MS = 30_000;
const PAGE_RUNS = 1_000;
/** The wall clock was set back, not slewed, when it falls behind the monotonic one by more between two looks. */
const SET_BACK_MS = 1_000;
/**
 * So many that are due later than the horizon are looked at when all shards are gained, and of some their part, since a wrong
 * clock may have planned them; all, once it is seen that one has. Each costs a read, and shards may come one by one.
 */
const FAR_LOOKS_MAX = 2_000;

type Known = Pick<RunNews, 'run'>;

export type Waking = {
  readonly anew: boolean;
  readonly setBack: Omit<SetBack, 'boot'> | null;
  readonly done: (loaded: Known | null | undefined) => void;
};

/** What keeps a run's time: its owner wakes it, and says whether it has it in hand anyway. */
export interface Wakes {
  /**
   * Calls back with the run as it is then, `null` when there is none, `undefined` when it could not be read. `anew`:
   * after another look at its stream. `setBack`: the wall clock was, and its dues may have to move.
   */
  wake(runId: RunId, waking: Waking): void;
  isInHand(runId: RunId): boolean;
}

/** What the table is to say of a run: due when, or `null` for ended. `fresh`: it says nothing yet. */
type Row = { dueMs: number | null; readonly fresh: boolean };

/**
 * When each open run of the shards held next owes something. Dues of the next minute are timers, all others rows of the
 * table, which is written in batches; a run shorter than a batch is never written.
 */
export class RunDues {
  private readonly shards = new Set<Shard>();
  private readonly timers = new Map<RunId, { readonly dueMs: number; readonly timer: Timer }>();
  private readonly wakeQueue: WakeQueue;
  private batch = new Map<RunId, Row>();
  /** Every event of the shards up to here is in the batch or in the table; the table's own, at the last write. */
  private position: Position | null = null;
  private written: Position | null = null;
  private writing: Promise<void> = Promise.resolve();
  private cancelWrite: (() => void) | null = null;
  private cancelRefill: (() => void) | null = null;
  private stopped = false;
  /** By how much the wall clock was ahead of the monotonic one when it was last looked at. */
  private wallAheadMs: number;
  /** What the wall clock said then. */
  private lookedAtMs: number;
  /** All that was noted since the last look, or since the one that found the clock set back while dues are moved, but for `batch`. */
  private notedBefore: ReadonlyMap<RunId, Row>[] = [];
  /** The clock was set back by this, and dues are moved. */
  private setBack: { readonly ms: number; readonly sinceMs: number } | null = null;
  private moving: Promise<void> = Promise.resolve();
  private moves = 0;
  /** Runs that were found overdue by 30 s with nobody at work on them, since the start. */
  overdue = 0;

  constructor(
    private readonly table: OpenRuns,
    private readonly wheel: TimerWheel,
    private readonly clock: Clock,
    private readonly log: Log,
    private readonly wakes: Wakes,
  ) {
    this.lookedAtMs = clock.nowMs();
    this.wallAheadMs = this.lookedAtMs - clock.monotonicMs();
    this.wakeQueue = new WakeQueue((runId, anew, done) => this.wake(runId, anew, done));
  }

  /** Begins to write, and to look for what is overdue. */
  start(): void {
    this.writeLater();
    this.refillLater();
  }

  /** Writes what is noted; nothing fires any more. */
  async stop(): Promise<void> {
    this.stopped = true;
    this.cancelWrite?.();
    this.cancelRefill?.();
    for (const { timer } of this.timers.values()) this.wheel.cancel(timer);
    this.timers.clear();
    this.wakeQueue.drop(() => true);
    await this.flush();
  }

  /** These are ours to keep time of: the table tells of everything up to `position`. Wakes what is due. */
  gained(shards: readonly Shard[], position: Position): void {
    for (const shard of shards) this.shards.add(shard);
    this.position = position;
    this.wakeDue(shards, true)
      .then(() => this.lookAhead(shards, Math.ceil((FAR_LOOKS_MAX * shards.length) / SHARDS)))
      .catch((error: unknown) => this.unreadable(error));
  }

  /** They are another's: nothing of them fires, nor is written, any more. */
  drop(shards: ReadonlySet<Shard>): void {
    const isDropped = (runId: RunId): boolean => shards.has(shardOf(runId));
    for (const shard of shards) this.shards.delete(shard);
    for (const [runId, { timer }] of this.timers) {
      if (!isDropped(runId)) continue;
      this.wheel.cancel(timer);
      this.timers.delete(runId);
    }
    for (const runId of this.batch.keys()) if (isDropped(runId)) this.batch.delete(runId);
    this.wakeQueue.drop(isDropped);
  }

  /** Every event of the shards up to here was noted. */
  reached(position: Position): void {
    this.position = position;
  }

  /** Takes note of what a run has become. */
  noted({ runId, run, fresh }: Pick<RunNews, 'runId' | 'run' | 'fresh'>): void {
    this.note(runId, { run }, { fresh, seenMs: -Infinity });
  }

  /** Something has happened to the run that nobody has looked at yet: due now, until it is noted. */
  unread(runId: RunId, fresh: boolean): void {
    const noted = this.batch.get(runId);
    if (noted !== undefined) noted.dueMs = 0;
    else this.batch.set(runId, { dueMs: 0, fresh });
  }

  /** Has the run looked at soon, at its stream too. */
  wakeSoon(runId: RunId): void {
    if (!this.stopped) this.wakeQueue.push(runId, true);
  }

  /** Writes what is noted now. */
  flush(): Promise<void> {
    this.writing = this.writing.then(() => this.write());
    return this.writing;
  }

  /** `seenMs`: what was due by then has been seen to. A retry due since then waits for a slot, no more for its time. */
  private note(runId: RunId, known: Known | null, { fresh, seenMs }: { fresh: boolean; seenMs: number }): void {
    const noted = this.batch.get(runId);
    if (known === null || isEnded(known.run)) {
      this.keepTimer(runId, Infinity);
      if (fresh || noted?.fresh === true) this.batch.delete(runId);
      else this.batch.set(runId, { dueMs: null, fresh: false });
      return;
    }
    const timerMs = nextDueMs(known.run.obligations.dues, seenMs);
    const active = isActive(known.run, seenMs);
    this.keepTimer(runId, active || timerMs < this.clock.nowMs() + HORIZON_MS ? timerMs : Infinity);
    const dueMs = active || timerMs === Infinity ? 0 : timerMs;
    if (noted !== undefined) noted.dueMs = dueMs;
    else this.batch.set(runId, { dueMs, fresh });
  }

  private wake(runId: RunId, anew: boolean, seen: () => void): void {
    const seenMs = this.clock.nowMs();
    const done: Waking['done'] = (loaded) => {
      // Also when nothing came of it, and no commit tells what the run owes next.
      if (loaded !== undefined && this.shards.has(shardOf(runId))) this.note(runId, loaded, { fresh: false, seenMs });
      seen();
    };
    const setBack = this.setBack === null ? null : { ...this.setBack, isQuiet: !this.isNoted(runId) };
    this.wakes.wake(runId, { anew, setBack, done });
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
      this.wakeQueue.push(runId, false);
    });
    this.timers.set(runId, { dueMs, timer });
  }

  private writeLater(): void {
    if (this.stopped) return;
    this.cancelWrite = this.clock.after(WRITE_EVERY_MS, () => {
      this.lookAtClock();
      void this.flush().then(() => this.writeLater());
    });
  }

  private async write(): Promise<void> {
    const { position, batch } = this;
    if (position === null || this.shards.size === 0) return;
    if (batch.size === 0 && position === this.written) return;
    this.batch = new Map();
    this.notedBefore.push(batch);
    const open: OpenRun[] = [];
    const ended: RunId[] = [];
    for (const [runId, { dueMs }] of batch) {
      if (dueMs === null) ended.push(runId);
      else open.push({ runId, dueMs });
    }
    try {
      await this.table.write({ open, ended, checkpoint: position, shards: [...this.shards] });
      this.written = position;
    } catch (error) {
      // Tried again with the next batch. A start makes of the log what the table does not tell.
      this.log.error('the table of open runs could not be written', { err: error });
      for (const [runId, { dueMs }] of batch)
        if (!this.batch.has(runId) && this.shards.has(shardOf(runId))) this.batch.set(runId, { dueMs, fresh: false });
    }
  }

  /** What was planned before the wall clock was set back moves with it. */
  private lookAtClock(): void {
    const nowMs = this.clock.nowMs();
    const aheadMs = nowMs - this.clock.monotonicMs();
    const ms = Math.round(this.wallAheadMs - aheadMs);
    const sinceMs = this.lookedAtMs - ms;
    this.wallAheadMs = aheadMs;
    this.lookedAtMs = nowMs;
    if (ms > SET_BACK_MS) {
      this.log.warn('the wall clock was set back; what was planned before moves with it', { ms });
      this.moves += 1;
      // One after the other when it is set back again meanwhile: each moves all of it.
      this.moving = this.moving.then(() => this.move({ ms, sinceMs }));
    } else if (this.moves === 0) this.notedBefore = [];
  }

  private async move(setBack: { readonly ms: number; readonly sinceMs: number }): Promise<void> {
    this.setBack = setBack;
    // Those nearest first: they are timers, or not in the table yet.
    const nearest = new Set([...this.timers.keys(), ...this.batch.keys()]);
    const woken = this.wakeAll([...nearest].filter((runId) => this.batch.get(runId)?.dueMs !== null));
    try {
      await this.flush();
      await this.lookAhead([...this.shards], Infinity);
    } catch (error) {
      this.unreadable(error);
    }
    await woken;
    this.setBack = null;
    this.moves -= 1;
  }

  /** Whether something may have been planned in the run since the clock was set back. */
  private isNoted(runId: RunId): boolean {
    return this.batch.has(runId) || this.notedBefore.some((batch) => batch.has(runId));
  }

  /** Wakes runs that are not due yet, the nearest first: each sees to what lies too far ahead. As many as given, while none does. */
  private async lookAhead(shards: readonly Shard[], most: number): Promise<void> {
    let after: OpenRun = {
      dueMs: Math.floor(this.clock.nowMs()) + (most === Infinity ? 0 : HORIZON_MS),
      runId: '' as RunId,
    };
    for (let left = most; left > 0 && shards.length > 0 && !this.stopped;) {
      const asked = Math.min(left, PAGE_RUNS);
      const page: readonly OpenRun[] = await this.table.due(shards, Infinity, after, asked);
      await this.wakeAll(page.map(({ runId }) => runId).filter((runId) => this.shards.has(shardOf(runId))));
      const last = page.at(-1);
      if (last === undefined || page.length < asked) return;
      after = last;
      left = page.some((row) => this.isMoved(row)) ? Infinity : left - page.length;
    }
  }

  private isMoved({ runId, dueMs }: OpenRun): boolean {
    const notedMs = this.batch.get(runId)?.dueMs ?? null;
    return notedMs !== null && notedMs < dueMs - SET_BACK_MS;
  }

  private refillLater(): void {
    if (this.stopped) return;
    this.cancelRefill = this.clock.after(REFILL_EVERY_MS, () => {
      void this.wakeDue([...this.shards], false)
        .catch((error: unknown) => this.unreadable(error))
        .then(() => this.refillLater());
    });
  }

  private unreadable(error: unknown): void {
    if (!this.stopped) this.log.error('the table of open runs could not be read', { err: error });
  }

  /** Goes through the rows due within the horizon: sets timers, wakes what is due and in nobody's hand. */
  private async wakeDue(shards: readonly Shard[], first: boolean): Promise<void> {
    const nowMs = this.clock.nowMs();
    const untilMs = nowMs + HORIZON_MS;
    let after: OpenRun | null = null;
    // A timer that is far off says nothing of what is due now.
    const isKept = (runId: RunId): boolean =>
      (this.timers.get(runId)?.dueMs ?? Infinity) < untilMs || this.batch.has(runId) || this.wakes.isInHand(runId);
    while (shards.length > 0 && !this.stopped) {
      const page: readonly OpenRun[] = await this.table.due(shards, untilMs, after, PAGE_RUNS);
      // Of shards gained just now nobody has anything in hand, whatever is still in memory of an earlier time.
      const due = page.filter(({ runId }) => this.shards.has(shardOf(runId)) && (first || !isKept(runId)));
      for (const { runId, dueMs } of due) if (dueMs > nowMs) this.keepTimer(runId, dueMs);
      const late = due.filter(({ dueMs }) => dueMs <= nowMs);
      if (!first) this.overdue += late.filter(({ dueMs }) => dueMs < nowMs - OVERDUE_MS).length;
      await this.wakeAll(
        late.map(({ runId }) => runId),
        true,
      );
      const last = page.at(-1);
      if (last === undefined || page.length < PAGE_RUNS) return;
      after = last;
    }
  }

  private async wakeAll(runIds: readonly RunId[], anew = false): Promise<void> {
    if (this.stopped) return;
    await Promise.all(runIds.map((runId) => new Promise<void>((resolve) => this.wakeQueue.push(runId, anew, resolve))));
  }
}

/** Whether the run needs its owner now, time or not. */
const isActive = ({ obligations }: Run, seenMs: number): boolean => {
  const { inFlight, ready, moves, dues } = obligations;
  return inFlight.size > 0 || ready.size > 0 || moves.size > 0 || dueRetries(dues, seenMs).length > 0;
};
