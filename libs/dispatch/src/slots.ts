import type { RunId } from '#engine';

export type SlotLimits = { readonly attemptsMax: number; readonly perOriginMax: number };

type Origin = { inUse: number; readonly waiting: Set<RunId> };

/**
 * How many attempts may be in flight, in all and per origin, and which runs wait for a slot, in the order they came. A
 * target that is down holds its own slots only, as long as all of them together leave some free.
 */
export class Slots {
  private readonly origins = new Map<string, Origin>();
  private inUse = 0;

  constructor(private readonly limits: SlotLimits) {}

  /** Takes a slot of an origin, or puts the run in the line for one. */
  take(origin: string, runId: RunId): boolean {
    const entry = this.originOf(origin);
    if (!this.hasRoom(entry)) {
      entry.waiting.add(runId);
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
    if (entry.inUse === 0 && entry.waiting.size === 0) this.origins.delete(origin);
  }

  /** The next run in line that could have a slot now: of this origin, else of the one whose turn it is. */
  next(origin: string): RunId | null {
    const own = this.origins.get(origin);
    if (own !== undefined && own.waiting.size > 0 && this.hasRoom(own)) return this.shift(own);
    if (this.inUse < this.limits.attemptsMax - 1) return null;
    for (const [name, entry] of this.origins) {
      if (entry.waiting.size === 0 || !this.hasRoom(entry)) continue;
      // To the back of the line, so that origins take turns.
      this.origins.delete(name);
      this.origins.set(name, entry);
      return this.shift(entry);
    }
    return null;
  }

  get usage(): { readonly inUse: number; readonly waiting: number } {
    let waiting = 0;
    for (const entry of this.origins.values()) waiting += entry.waiting.size;
    return { inUse: this.inUse, waiting };
  }

  isWaiting(runId: RunId): boolean {
    for (const entry of this.origins.values()) if (entry.waiting.has(runId)) return true;
    return false;
  }

  private shift(entry: Origin): RunId | null {
    for (const runId of entry.waiting) {
      entry.waiting.delete(runId);
      return runId;
    }
    return null;
  }

  private hasRoom(entry: Origin): boolean {
    return this.inUse < this.limits.attemptsMax && entry.inUse < this.limits.perOriginMax;
  }

  private originOf(name: string): Origin {
    const known = this.origins.get(name);
    if (known !== undefined) return known;
    const entry: Origin = { inUse: 0, waiting: new Set() };
    this.origins.set(name, entry);
    return entry;
  }
}
