/** What one request did to the world: the effect, the same effect once more, or nothing (a failing answer). */
export type Effect = 'applied' | 'duplicate' | 'none';

/** One request as the application saw it. `status` is null until (or unless) it is answered. */
export type LedgerEntry = {
  readonly seq: number;
  readonly atMs: number;
  readonly path: string;
  readonly idempotencyKey: string;
  readonly runId: string;
  readonly step: string;
  readonly attempt: number;
  status: number | null;
  effect: Effect;
};

export type LedgerSummary = {
  readonly enabled: boolean;
  readonly requests: number;
  readonly effectsApplied: number;
  readonly effectsDuplicate: number;
  /** Entries given up since the ledger was full; whoever audits by the ledger must refuse a number above 0. */
  readonly dropped: number;
};

/** An entry to write before the fate of its request is known. */
export type Arrival = Pick<LedgerEntry, 'path' | 'idempotencyKey' | 'runId' | 'step' | 'attempt'>;

/**
 * Every request that reached the application, in the order of arrival. An effect is applied once per Idempotency-Key,
 * and each further request that would have applied it is counted as a duplicate: an application that did not look at
 * the key would have done it twice.
 */
export class Ledger {
  readonly #maxEntries: number;
  #entries: LedgerEntry[] = [];
  #applied = new Set<string>();
  #failures = new Map<string, number>();
  #requests = 0;
  #effectsApplied = 0;
  #effectsDuplicate = 0;
  #dropped = 0;

  /** `maxEntries` 0 keeps no entries: for measurements. */
  constructor(maxEntries: number) {
    this.#maxEntries = maxEntries;
  }

  get enabled(): boolean {
    return this.#maxEntries > 0;
  }

  arrive(arrival: Arrival): LedgerEntry {
    this.#requests++;
    const entry: LedgerEntry = {
      seq: this.#requests,
      atMs: performance.timeOrigin + performance.now(),
      ...arrival,
      status: null,
      effect: 'none',
    };
    if (this.#entries.length < this.#maxEntries) this.#entries.push(entry);
    else this.#dropped++;
    return entry;
  }

  /** The effect happens now. Without a key nothing tells a repeat from a new wish. */
  apply(entry: LedgerEntry): void {
    if (entry.idempotencyKey !== '' && this.#applied.has(entry.idempotencyKey)) {
      entry.effect = 'duplicate';
      this.#effectsDuplicate++;
      return;
    }
    entry.effect = 'applied';
    this.#effectsApplied++;
    if (this.#applied.size < this.#maxEntries) this.#applied.add(entry.idempotencyKey);
  }

  /** True for the first `times` requests of a key: the way a step fails a known number of times. */
  failsNow(idempotencyKey: string, times: number): boolean {
    if (times <= 0) return false;
    if (times === Number.POSITIVE_INFINITY) return true;
    const failed = this.#failures.get(idempotencyKey) ?? 0;
    if (failed < times) {
      this.#failures.set(idempotencyKey, failed + 1);
      return true;
    }
    return false;
  }

  entries(): readonly LedgerEntry[] {
    return this.#entries;
  }

  summary(): LedgerSummary {
    return {
      enabled: this.enabled,
      requests: this.#requests,
      effectsApplied: this.#effectsApplied,
      effectsDuplicate: this.#effectsDuplicate,
      dropped: this.enabled ? this.#dropped : 0,
    };
  }

  clear(): void {
    this.#entries = [];
    this.#applied = new Set();
    this.#failures = new Map();
    this.#requests = 0;
    this.#effectsApplied = 0;
    this.#effectsDuplicate = 0;
    this.#dropped = 0;
  }
}
