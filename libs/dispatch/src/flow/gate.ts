import type { FlowLimit } from '#runtime';
import type { RunId } from '#engine';
import type { Breaker } from './breaker.js';
import type { TokenBucket } from './token-bucket.js';

/**
 * Attempts that need the same slots: of one endpoint, one namespace, and the same values of what is limited. The runs that
 * wait with it are served in the order they came.
 */
export type Claim = {
  readonly namespace: string;
  readonly origin: OriginGate;
  readonly endpoint: EndpointGate;
  /** Every gate that an attempt passes: origin and endpoint first, then limits. */
  readonly gates: readonly Gate[];
  inUse: number;
  /** Each since when. */
  readonly waiting: Map<RunId, string>;
  /** Runs that were woken, each with a slot held for it until it says whether it has use for it. */
  readonly offered: Set<RunId>;
  /** In whose line it stands. */
  at: Gate | null;
};

/** What many attempts go through and few at a time. Claims that it stops stand in its line, namespaces by turns. */
export abstract class Gate {
  inUse = 0;
  readonly line = new Map<string, Set<Claim>>();

  constructor(readonly id: string) {}

  abstract hasRoom(): boolean;
  abstract get idle(): boolean;

  take(): void {
    this.inUse += 1;
  }

  release(): void {
    this.inUse -= 1;
  }

  /** Whether runs of another namespace wait here: they are served first, even when there is room. */
  othersWait(namespace: string): boolean {
    return this.line.size > 1 || (this.line.size === 1 && !this.line.has(namespace));
  }

  stand(claim: Claim): void {
    const claims = this.line.get(claim.namespace);
    if (claims === undefined) this.line.set(claim.namespace, new Set([claim]));
    else claims.add(claim);
    claim.at = this;
  }

  leave(claim: Claim): void {
    claim.at = null;
    const claims = this.line.get(claim.namespace);
    if (claims === undefined) return;
    claims.delete(claim);
    if (claims.size === 0) this.line.delete(claim.namespace);
  }

  /** The claim whose turn it is: namespaces by turns, and the claims of one by turns. */
  first(): Claim | null {
    for (const claims of this.line.values()) for (const claim of claims) return claim;
    return null;
  }

  /** Its turn was had: it goes behind the others. */
  rotate(claim: Claim): void {
    const claims = this.line.get(claim.namespace);
    if (claims === undefined) return;
    this.line.delete(claim.namespace);
    this.line.set(claim.namespace, claims);
    claims.delete(claim);
    claims.add(claim);
  }
}

/** What all origins share. */
export type Whole = {
  readonly attemptsMax: number;
  readonly perOriginMax: number;
  /** Of an origin that has several endpoints. */
  readonly perEndpointMax: number;
  inUse: number;
};

/**
 * An origin. None holds more than it leaves free: alone it may take half of all, and however many are slow at a time, an
 * origin that is well finds slots.
 */
export class OriginGate extends Gate {
  /** How many endpoints of it are known. */
  endpoints = 0;
  /** How many attempts in flight have a connection. */
  connected = 0;
  /** Its place among the `OriginLines`. */
  lined: number | null = null;

  constructor(
    id: string,
    private readonly whole: Whole,
    readonly breaker: Breaker,
  ) {
    super(id);
  }

  hasRoom(): boolean {
    return this.inUse < this.whole.attemptsMax - this.whole.inUse && this.waitsForWhole;
  }

  /** It has room of its own: only the whole may lack it. */
  get waitsForWhole(): boolean {
    return this.inUse < this.whole.perOriginMax && this.breaker.lets;
  }

  /** How many of its slots one of its endpoints may have: all, where there is no other. */
  get perEndpointMax(): number {
    return this.endpoints > 1 ? this.whole.perEndpointMax : this.whole.perOriginMax;
  }

  override take(): void {
    this.inUse += 1;
    this.whole.inUse += 1;
    this.breaker.took();
  }

  override release(): void {
    this.inUse -= 1;
    this.whole.inUse -= 1;
  }

  get idle(): boolean {
    return this.inUse === 0 && this.line.size === 0 && this.endpoints === 0 && this.breaker.state === 'closed';
  }
}

/**
 * A url of an origin, as the definition has it: fails and recovers apart from its neighbours, and leaves some of the origin's
 * slots to them, so that one that never answers does not make all of them wait.
 */
export class EndpointGate extends Gate {
  /** By namespace and the values of what is limited. */
  readonly claims = new Map<string, Claim>();

  constructor(
    id: string,
    readonly origin: OriginGate,
    readonly breaker: Breaker,
  ) {
    super(id);
  }

  hasRoom(): boolean {
    return this.inUse < this.origin.perEndpointMax && this.breaker.lets;
  }

  override take(): void {
    this.inUse += 1;
    this.breaker.took();
  }

  get idle(): boolean {
    return this.claims.size === 0 && this.breaker.state === 'closed';
  }
}

/** One value of a limit, as a queue of one namespace, or one customer: what of it this process may use, and uses. */
export class LimitGate extends Gate {
  /** How many of its claims wait; they may stand at another gate. */
  wanted = 0;
  /** What this process may have in flight. All of it, unless dispatchers share it. */
  allowed: number;
  /** What `allowed` is to come down to, as attempts end that are in flight. */
  goal: number;
  /** How many began here, ever. */
  begun = 0;
  /** Told when a share that is to come down has. */
  onShrunk: (() => void) | null = null;
  /** By the monotonic clock: past it the share may be another's. */
  validUntilMs = Number.POSITIVE_INFINITY;

  constructor(
    id: string,
    readonly limit: FlowLimit,
    readonly bucket: TokenBucket | null,
    private readonly monotonicMs: () => number,
  ) {
    super(id);
    this.allowed = limit.concurrency ?? Number.POSITIVE_INFINITY;
    this.goal = this.allowed;
  }

  /** As people know it: `queue bulk`, `key customer=acme`. */
  get name(): string {
    const place: readonly string[] = JSON.parse(this.id);
    const last = place.at(-1)!;
    return `${this.limit.kind} ${this.limit.kind === 'key' ? `${place.at(-2)}=${last}` : last}`;
  }

  hasRoom(): boolean {
    if (this.inUse >= this.allowed) return false;
    if (this.validUntilMs !== Number.POSITIVE_INFINITY && this.monotonicMs() > this.validUntilMs) return false;
    return this.bucket === null || this.bucket.hasToken();
  }

  override take(): void {
    this.inUse += 1;
    this.begun += 1;
    this.bucket?.spend();
  }

  override release(): void {
    this.inUse -= 1;
    if (this.allowed <= this.goal) return;
    this.allowed = Math.max(this.goal, this.inUse);
    this.onShrunk?.();
  }

  get idle(): boolean {
    return this.inUse === 0 && this.wanted === 0 && (this.bucket === null || this.bucket.isFull());
  }
}
