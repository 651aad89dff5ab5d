import type { Clock, Entropy, FlowLimit } from '#runtime';
import type { RunStarted } from '#domain';
import { Breaker, type BreakerOptions } from './breaker.js';
import { LimitGate, OriginGate, type Claim, type Gate, type Whole } from './gate.js';
import { TokenBucket } from './token-bucket.js';

/** What of a run decides which limits it meets. */
export type Sender = Pick<RunStarted, 'namespace' | 'queue' | 'tags'>;

export type ClaimOptions = { readonly limits: readonly FlowLimit[]; readonly breaker: BreakerOptions };

// Twice what stays after a sweep, but not below this.
const SWEEP_AT_MIN = 10_000;

/**
 * The gates that each attempt passes, made when they are first met and found again by name. Those that remember nothing
 * are let go in sweeps, so that ten thousand customers who come once take no memory for ever.
 */
export class Claims {
  readonly origins = new Map<string, OriginGate>();
  readonly limits = new Map<string, LimitGate>();
  private readonly targets: readonly FlowLimit[];
  private readonly queues: readonly FlowLimit[];
  private readonly keys: readonly FlowLimit[];
  private made = 0;
  private sweepAt = SWEEP_AT_MIN;

  constructor(
    private readonly whole: Whole,
    private readonly clock: Clock,
    private readonly entropy: Entropy,
    private readonly options: ClaimOptions,
    private readonly opened: (gate: LimitGate) => void,
  ) {
    const of = (kind: FlowLimit['kind']) => options.limits.filter((limit) => limit.kind === kind);
    [this.targets, this.queues, this.keys] = [of('target'), of('queue'), of('key')];
  }

  of(originName: string, sender: Sender): Claim {
    const origin = this.origins.get(originName) ?? this.addOrigin(originName);
    const name = this.queues.length + this.keys.length === 0 ? sender.namespace : this.nameOf(sender);
    return origin.claims.get(name) ?? this.addClaim(origin, name, sender);
  }

  private nameOf({ namespace, queue, tags }: Sender): string {
    // Values of tags may hold any character: only what quotes them keeps two apart.
    return JSON.stringify([namespace, queue, ...this.keys.map(({ name }) => tags[name] ?? null)]);
  }

  private addOrigin(name: string): OriginGate {
    if (++this.made > this.sweepAt) this.sweep();
    const origin = new OriginGate(name, this.whole, new Breaker(this.options.breaker, this.entropy));
    this.origins.set(name, origin);
    return origin;
  }

  private addClaim(origin: OriginGate, name: string, sender: Sender): Claim {
    if (++this.made > this.sweepAt) this.sweep();
    // A sweep may have let the origin itself go.
    this.origins.set(origin.id, origin);
    const gates: readonly Gate[] = [origin, ...this.gatesOf(origin.id, sender)];
    const { namespace } = sender;
    const claim: Claim = { namespace, origin, gates, inUse: 0, waiting: new Set(), offered: new Set(), at: null };
    origin.claims.set(name, claim);
    return claim;
  }

  private gatesOf(originName: string, { namespace, queue, tags }: Sender): LimitGate[] {
    const gates: LimitGate[] = [];
    const target = best(this.targets, originName, namespace);
    if (target !== null) gates.push(this.limitGate(target, ['target', originName]));
    const own = best(this.queues, queue, namespace);
    if (own !== null) gates.push(this.limitGate(own, ['queue', namespace, queue]));
    for (const tag of new Set(this.keys.map(({ name }) => name))) {
      const value = tags[tag];
      const key = value === undefined ? null : best(this.keys, tag, namespace);
      if (key !== null && value !== undefined) gates.push(this.limitGate(key, ['key', namespace, tag, value]));
    }
    return gates;
  }

  private limitGate(limit: FlowLimit, place: readonly string[]): LimitGate {
    const id = JSON.stringify(place);
    const known = this.limits.get(id);
    if (known !== undefined) return known;
    const { ratePerSecond, burst } = limit;
    const bucket = ratePerSecond === null ? null : new TokenBucket(this.clock, ratePerSecond, burst);
    const gate = new LimitGate(id, limit, bucket, () => this.clock.monotonicMs());
    this.limits.set(id, gate);
    this.opened(gate);
    return gate;
  }

  private sweep(): void {
    let left = 0;
    const used = new Set<Gate>();
    for (const origin of this.origins.values()) {
      for (const [name, claim] of origin.claims) {
        if (claim.inUse === 0 && claim.waiting.size === 0) origin.claims.delete(name);
        else for (const gate of claim.gates) used.add(gate);
      }
      left += origin.claims.size;
      if (origin.claims.size === 0 && origin.idle) this.origins.delete(origin.id);
    }
    for (const gate of this.limits.values()) if (!used.has(gate) && gate.idle) this.limits.delete(gate.id);
    left += this.origins.size;
    this.made = left;
    this.sweepAt = Math.max(SWEEP_AT_MIN, 2 * left);
  }
}

/** The limit that says most about the name: its own before `*`, that of the namespace before that of all. */
const best = (limits: readonly FlowLimit[], name: string, namespace: string): FlowLimit | null => {
  let found: FlowLimit | null = null;
  let most = -1;
  for (const limit of limits) {
    if ((limit.name !== name && limit.name !== '*') || (limit.namespace ?? namespace) !== namespace) continue;
    const says = (limit.name === name ? 2 : 0) + (limit.namespace === null ? 0 : 1);
    if (says > most) [found, most] = [limit, says];
  }
  return found;
};
