import type { RunId } from '#engine';

export type SlotLimits = { readonly attemptsMax: number; readonly perOriginMax: number };

type Origin = { inUse: number; readonly waiting: Set<RunId> };

/**
 * How many attempts may be in flight, in all and per origin, and which runs wait for a slot, in the order they came. No
 * origin holds more than it leaves free: alone it may take half of all, and however many are down at a time, an origin
 * that is well finds slots.
 */
export class Slots {
  private readonly origins = new Map<string, Origin>();
  /** Those with runs in line, by turns. */
  private readonly lines = new Map<string, Origin>();
  private inUse = 0;

  constructor(private readonly limits: SlotLimits) {}

  /** Takes a slot of an origin, or puts the run in the line for one. */
  take(origin: string, runId: RunId): boolean {
    const entry = this.originOf(origin);
    if (!this.hasRoom(entry)) {
      entry.waiting.add(runId);
      if (entry.waiting.size === 1) this.lines.set(origin, entry);
      return false;
    }
    entry.inUse += 1;
    this.inUse += 1;
    return true;
  }

  release(origin: string): void {
    const entry = this.originOf(origin);
    entry.inUse -= 1;
    this.inUse -= 1;
    this.letGo(origin, entry);
  }

  /** The next run in line that could have a slot now: of this origin, else of the one whose turn it is. */
  next(origin: string): RunId | null {
    const own = this.lines.get(origin);
    if (own !== undefined && this.hasRoom(own)) return this.shift(origin, own);
    for (const [name, entry] of this.lines) {
      if (!this.hasRoom(entry)) continue;
      // To the back of the line, so that origins take turns.
      this.lines.delete(name);
      this.lines.set(name, entry);
      return this.shift(name, entry);
    }
    return null;
  }

  get usage(): { readonly inUse: number; readonly waiting: number } {
    let waiting = 0;
    for (const entry of this.lines.values()) waiting += entry.waiting.size;
    return { inUse: this.inUse, waiting };
  }

  isWaiting(runId: RunId): boolean {
    for (const entry of this.lines.values()) if (entry.waiting.has(runId)) return true;
    return false;
  }

  private shift(origin: string, entry: Origin): RunId | null {
    for (const runId of entry.waiting) {
      entry.waiting.delete(runId);
      if (entry.waiting.size === 0) this.lines.delete(origin);
      this.letGo(origin, entry);
      return runId;
    }
    return null;
  }

  private letGo(origin: string, entry: Origin): void {
    if (entry.inUse === 0 && entry.waiting.size === 0) this.origins.delete(origin);
  }

  private hasRoom(entry: Origin): boolean {
    const { attemptsMax, perOriginMax } = this.limits;
    return entry.inUse < Math.min(perOriginMax, attemptsMax - this.inUse);
  }

  private originOf(name: string): Origin {
    const known = this.origins.get(name);
    if (known !== undefined) return known;
    const entry: Origin = { inUse: 0, waiting: new Set() };
    this.origins.set(name, entry);
    return entry;
  }
}
