import type { Plan } from '#domain';
import { NO_STREAM, planStream, type EventStore } from '#event-store';
import { sha256Hex, type Clock, type Entropy } from '#runtime';
import type { PlanSource } from '../load-run.js';
import type { Origin } from '../runs.js';
import { appendSurely } from './append-surely.js';
import { decodePlan, encodePlan, planText } from './catalogue-event-codec.js';
import { PlanCache } from './plan-cache.js';

const CACHED_NODES_MAX = 50_000;

/** A run or a version names a plan that the log does not hold: the log is damaged, or not the one that it was. */
export class PlanMissing extends Error {
  readonly code = 'plan-missing';
  readonly retryable = false;

  constructor(readonly hash: string) {
    super(`the log holds no plan ${hash}`);
  }
}

/** Plans by the hash of their content: each stored once, in a stream of its own, and never changed. */
export class PlanStore implements PlanSource {
  private readonly reading = new Map<string, Promise<Plan>>();
  private readonly cache: PlanCache;

  constructor(
    private readonly store: EventStore,
    private readonly clock: Clock,
    private readonly entropy: Entropy,
    cachedNodesMax = CACHED_NODES_MAX,
  ) {
    this.cache = new PlanCache(cachedNodesMax);
  }

  cachedPlan(hash: string): Plan | null {
    return this.cache.get(hash);
  }

  /** Those who ask for the same plan at once share one reading of it. */
  async plan(hash: string): Promise<Plan> {
    const cached = this.cache.get(hash);
    if (cached !== null) return cached;
    const reading = this.reading.get(hash) ?? this.read(hash);
    this.reading.set(hash, reading);
    try {
      return await reading;
    } finally {
      this.reading.delete(hash);
    }
  }

  /** Stores a plan, unless the log holds it already, and gives its hash. */
  async storePlan(plan: Plan, origin: Origin): Promise<string> {
    const text = planText(plan);
    const hash = sha256Hex(text);
    if (this.cache.get(hash) !== null) return hash;
    const append = {
      stream: planStream(hash),
      expected: NO_STREAM,
      events: [encodePlan(text)],
      envelope: { commandId: this.entropy.hex(16), recordedAt: this.clock.now(), ...origin },
    };
    // A conflict says that it is there: the stream's name is its content.
    await appendSurely(this.store, this.clock, append);
    this.cache.keep(hash, plan);
    return hash;
  }

  private async read(hash: string): Promise<Plan> {
    const [event] = await this.store.readStream(planStream(hash), { limit: 1 });
    if (event === undefined) throw new PlanMissing(hash);
    const plan = decodePlan(event);
    this.cache.keep(hash, plan);
    return plan;
  }
}
