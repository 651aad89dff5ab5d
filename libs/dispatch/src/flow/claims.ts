import type { Clock, Entropy, FlowLimit } from '#runtime';
import type { RunStarted } from '#domain';
import { Breaker, ofEndpoint, type BreakerOptions, type Epochs } from './breaker.js';
import { EndpointGate, LimitGate, OriginGate, type Claim, type Gate, type Whole } from './gate.js';
import { TokenBucket } from './token-bucket.js';

/** What of a run decides which limits it meets. */
export type Sender = Pick<RunStarted, 'namespace' | 'queue' | 'tags'>;

/** Where an attempt goes: `url` as the definition has it. */
export type Destination = { readonly origin: string; readonly url: string };

export type ClaimOptions = { readonly limits: readonly FlowLimit[]; readonly breaker: BreakerOptions };

// Twice what stays after a sweep, but not below this.
const SWEEP_AT_MIN = 10_000;

/**
 * The gates that each attempt passes, made when they are first met and found again by name. Those that remember nothing
 * are let go in sweeps, so that ten thousand customers who come once take no memory for ever.
 */
export class Claims {
  private readonly origins = new Map<string, OriginGate>();
  private readonly endpoints = new Map<string, EndpointGate>();
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
    private readonly epochs: Epochs,
    private readonly options: ClaimOptions,
    private readonly opened: (gate: LimitGate) => void,
  ) {
    const of = (kind: FlowLimit['kind']) => options.limits.filter((limit) => limit.kind === kind);
    [this.targets, this.queues, this.keys] = [of('target'), of('queue'), of('key')];
  }

  of(destination: Destination, sender: Sender): Claim {
    const endpoint = this.endpoints.get(destination.url) ?? this.addEndpoint(destination);
    const name = this.nameOf(sender);
    return endpoint.claims.get(name) ?? this.addClaim(endpoint, name, sender);
  }

  /** The claim if there is one; none is made. */
  find(url: string, sender: Sender): Claim | null {
    return this.endpoints.get(url)?.claims.get(this.nameOf(sender)) ?? null;
  }

  private nameOf({ namespace, queue, tags }: Sender): string {
    if (this.queues.length + this.keys.length === 0) return namespace;
    // Values of tags may hold any character: only what quotes them keeps two apart.
    return JSON.stringify([namespace, queue, ...this.keys.map(({ name }) => tags[name] ?? null)]);
  }

  private addEndpoint({ origin: name, url }: Destination): EndpointGate {
    if (++this.made > this.sweepAt) this.sweep();
    const origin =
      this.origins.get(name) ??
      new OriginGate(name, this.whole, this.newBreaker({ ...this.options.breaker, probes: 1 }));
    this.origins.set(name, origin);
    origin.endpoints += 1;
    const endpoint = new EndpointGate(url, origin, this.newBreaker(ofEndpoint(this.options.breaker)));
    this.endpoints.set(url, endpoint);
    return endpoint;
  }

  private newBreaker(options: BreakerOptions & { readonly probes: number }): Breaker {
    return new Breaker(options, this.entropy, this.epochs);
  }

  private addClaim(endpoint: EndpointGate, name: string, sender: Sender): Claim {
    const { origin } = endpoint;
    const gates: readonly Gate[] = [origin, endpoint, ...this.gatesOf(origin.id, sender)];
    const { namespace } = sender;
    const claim: Claim = {
      namespace,
      origin,
      endpoint,
      gates,
      inUse: 0,
      waiting: new Map(),
      offered: new Set(),
      at: null,
    };
    endpoint.claims.set(name, claim);
    // Only now: a sweep must not let go of the endpoint that the claim is of.
    if (++this.made > this.sweepAt) this.sweep(claim);
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

  private sweep(fresh: Claim | null = null): void {
    let left = 0;
    const used = new Set<Gate>();
    for (const endpoint of this.endpoints.values()) {
      for (const [name, claim] of endpoint.claims) {
        if (claim.inUse === 0 && claim.waiting.size === 0 && claim !== fresh) endpoint.claims.delete(name);
        else for (const gate of claim.gates) used.add(gate);
      }
      left += endpoint.claims.size;
      if (!endpoint.idle) continue;
      this.endpoints.delete(endpoint.id);
      endpoint.origin.endpoints -= 1;
    }
    for (const origin of this.origins.values()) if (origin.idle) this.origins.delete(origin.id);
    for (const gate of this.limits.values()) if (!used.has(gate) && gate.idle) this.limits.delete(gate.id);
    left += this.origins.size + this.endpoints.size;
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
