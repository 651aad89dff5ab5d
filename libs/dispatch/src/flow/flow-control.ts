import type { HoldUp, RunId } from '#engine';
import assert from 'node:assert/strict';
import type { Clock, Entropy, FlowLimit, Log } from '#runtime';
import type { Verdict } from '../classify.js';
import type { Timer, TimerWheel } from '../timer-wheel.js';
import { signsOf, type BreakerOptions, type Epochs } from './breaker.js';
import { Breakers, type BreakerGate } from './breakers.js';
import { Claims, type Destination, type Sender } from './claims.js';
import { EndpointGate, LimitGate, OriginGate, type Claim, type Gate, type Whole } from './gate.js';
import { wholeLimits, type LimitShares, type SharedGates } from './limit-shares.js';
import { OriginLines } from './origin-lines.js';

export type FlowOptions = {
  readonly attemptsMax: number;
  readonly perOriginMax: number;
  readonly connectionsPerOriginMax: number;
  readonly limits: readonly FlowLimit[];
  readonly breaker: BreakerOptions;
};

/** A run that is to be woken: a slot is held for it until `settle`. */
export type Offer = { readonly runId: RunId; readonly claim: Claim };

/** `onRoom`: there may be room at these gates for who waits. */
export type FlowEvents = { readonly onRoom: (gates: readonly Gate[]) => void };

/** The origin's and the endpoint's; all others are of limits. */
const GATES_MIN = 2;
/** What is waited for when a dispatcher has no slot left at all. */
const ALL = 'all origins';

/**
 * Which attempts may be in flight: in all, per origin, and per target, queue and key as configured; none to what is down.
 * An attempt has a slot of every gate that it passes or of none, so that who waits for one target holds nothing of another.
 * Whoever is stopped stands in the line of the gate that stopped it; lines serve namespaces by turns.
 */
export class FlowControl implements SharedGates {
  readonly breakers: Breakers;
  private readonly epochs: Epochs = { now: 0 };
  private readonly whole: Whole;
  private readonly claims: Claims;
  private readonly lines = new OriginLines();
  private readonly runs = new Map<RunId, number>();
  private readonly timers = new Map<Gate, Timer>();

  constructor(
    private readonly clock: Clock,
    private readonly wheel: TimerWheel,
    entropy: Entropy,
    log: Log,
    options: FlowOptions,
    private readonly events: FlowEvents,
    private readonly shares: LimitShares = wholeLimits,
  ) {
    const { attemptsMax, perOriginMax } = options;
    // Who has a slot and no connection waits all the same.
    const perEndpointMax = allButAnEighth(Math.min(perOriginMax, options.connectionsPerOriginMax));
    this.whole = { attemptsMax, perOriginMax, perEndpointMax, inUse: 0 };
    this.claims = new Claims(this.whole, clock, entropy, this.epochs, options, (gate) => shares.opened(gate));
    this.breakers = new Breakers(clock, wheel, log, (gate) => this.breakerChanged(gate));
  }

  start(): Promise<void> {
    return this.shares.start(this);
  }

  stop(): Promise<void> {
    this.breakers.stop();
    for (const timer of this.timers.values()) this.wheel.cancel(timer);
    this.timers.clear();
    return this.shares.stop();
  }

  get limits(): ReadonlyMap<string, LimitGate> {
    return this.claims.limits;
  }

  claimOf(destination: Destination, sender: Sender): Claim {
    return this.claims.of(destination, sender);
  }

  /** In which state of all breakers an attempt begins. */
  get epoch(): number {
    return this.epochs.now;
  }

  /** Takes a slot of every gate, or puts the run in line. */
  take(claim: Claim, runId: RunId): boolean {
    if (claim.offered.size > 0 && claim.offered.delete(runId)) {
      this.forget(runId);
      return true;
    }
    const blocker = blockerOf(claim);
    const gate = blocker ?? this.whereOthersWait(claim);
    if (gate === null) {
      this.occupy(claim);
      return true;
    }
    this.queue(claim, runId, gate);
    // There is room: whose turn it is may have it. Not from within the decision that asks.
    if (blocker === null) queueMicrotask(() => this.events.onRoom(claim.gates));
    return false;
  }

  /** `epoch` is that in which the attempt began; without it nothing began. */
  release(claim: Claim, epoch: number | null): void {
    assert(claim.inUse > 0, `a slot of ${claim.endpoint.id} is given back that nobody has`);
    claim.inUse -= 1;
    for (const gate of claim.gates) {
      gate.release();
      if (epoch === null && gate instanceof LimitGate) gate.bucket?.giveBack();
    }
    const began = epoch ?? this.epochs.now;
    claim.origin.breaker.gaveBack(began);
    claim.endpoint.breaker.gaveBack(began);
    this.lines.update(claim.origin);
  }

  /** An attempt has a connection: its origin is there, whatever comes of the request. */
  reached(claim: Claim, epoch: number): void {
    const { origin } = claim;
    origin.connected += 1;
    const tell = (): void => this.breakers.saw(origin, 'well', epoch, null);
    // What this closes lets others begin: not from within the connection, whose request is just being written.
    if (origin.breaker.state === 'closed') tell();
    else queueMicrotask(tell);
  }

  /** An attempt ends that had a connection. */
  leftConnection(claim: Claim): void {
    claim.origin.connected -= 1;
  }

  /** What an attempt that has ended says of where it went. */
  saw(claim: Claim, verdict: Verdict, epoch: number): void {
    const signs = signsOf(verdict);
    const error = verdict.succeeded ? null : verdict.error;
    // While others have a connection, who got none waited for one of those: that says nothing.
    if (signs.origin !== null && claim.origin.connected === 0)
      this.breakers.saw(claim.origin, signs.origin, epoch, error);
    if (signs.endpoint !== null) this.breakers.saw(claim.endpoint, signs.endpoint, epoch, error);
  }

  /** The next run in line that could have a slot now: at one of these gates, else of the origin whose turn it is. */
  next(gates: readonly Gate[]): Offer | null {
    for (const gate of gates) {
      const offer = gate.line.size === 0 ? null : this.pick(gate);
      if (offer !== null) return offer;
    }
    for (;;) {
      const origin = this.lines.first(this.whole.attemptsMax - this.whole.inUse);
      if (origin === null) return null;
      const offer = this.pick(origin);
      if (offer !== null) return offer;
      assert.equal(origin.line.size, 0, 'an origin with room has an empty line once nobody there can be served');
    }
  }

  /** The woken run has decided. True when it had no use for the slot, which is free again. */
  settle({ claim, runId }: Offer): boolean {
    if (!claim.offered.delete(runId)) return false;
    this.forget(runId);
    this.release(claim, null);
    return true;
  }

  roomAt(gate: LimitGate): void {
    this.events.onRoom([gate]);
  }

  /** False when a share of it was lost since the slot was taken: what has not been sent must not be. */
  mayBegin(claim: Claim): boolean {
    if (claim.gates.length === GATES_MIN) return true;
    const nowMs = this.clock.monotonicMs();
    return claim.gates.every((gate) => !(gate instanceof LimitGate) || nowMs <= gate.validUntilMs);
  }

  get usage(): { readonly inUse: number; readonly waiting: number } {
    return { inUse: this.whole.inUse, waiting: this.runs.size };
  }

  /** What keeps a run in line that waits to go there; `null` when it does not. */
  holdUpOf(runId: RunId, url: string, sender: Sender): HoldUp | null {
    const claim = this.claims.find(url, sender);
    const since = claim?.waiting.get(runId);
    if (claim === null || since === undefined) return null;
    const gate = blockerOf(claim) ?? claim.at ?? claim.origin;
    if (gate instanceof LimitGate) return { for: 'limit', on: gate.name, since, until: null, lastError: null };
    const news = gate instanceof OriginGate || gate instanceof EndpointGate ? this.breakers.newsOf(gate) : null;
    // A breaker that is half-open holds all but one up.
    if (news !== null) return { for: 'breaker', on: gate.id, since, until: news.until, lastError: news.lastError };
    const on = gate instanceof OriginGate && gate.waitsForWhole ? ALL : gate.id;
    return { for: 'slots', on, since, until: null, lastError: null };
  }

  /** In line, or woken and not yet decided. */
  isWaiting(runId: RunId): boolean {
    return this.runs.has(runId);
  }

  private occupy(claim: Claim): void {
    claim.inUse += 1;
    for (const gate of claim.gates) gate.take();
    this.lines.update(claim.origin);
  }

  private breakerChanged(gate: BreakerGate): void {
    if (gate instanceof OriginGate) this.lines.update(gate);
    if (gate.breaker.lets) this.events.onRoom([gate]);
  }

  private whereOthersWait({ gates, namespace }: Claim): Gate | null {
    for (const gate of gates) if (gate.line.size > 0 && gate.othersWait(namespace)) return gate;
    return null;
  }

  private queue(claim: Claim, runId: RunId, gate: Gate): void {
    if (!claim.waiting.has(runId)) {
      claim.waiting.set(runId, this.clock.now());
      this.runs.set(runId, (this.runs.get(runId) ?? 0) + 1);
      for (const each of claim.gates) if (each instanceof LimitGate) each.wanted += 1;
    }
    if (claim.at === null) this.stand(claim, gate);
  }

  private stand(claim: Claim, gate: Gate): void {
    gate.stand(claim);
    if (gate instanceof OriginGate) this.lines.update(gate);
    else if (gate instanceof LimitGate) {
      this.shares.wants(gate);
      this.armToken(gate);
    }
  }

  private leave(claim: Claim, gate: Gate): void {
    gate.leave(claim);
    if (gate instanceof OriginGate) this.lines.update(gate);
  }

  private pick(gate: Gate): Offer | null {
    for (;;) {
      const claim = gate.first();
      if (claim === null) return null;
      if (!gate.hasRoom()) {
        this.armToken(gate);
        return null;
      }
      const blocker = blockerOf(claim);
      if (blocker === null) return this.offer(claim, gate);
      // There is room here now: it is another gate that it waits for.
      this.leave(claim, gate);
      this.stand(claim, blocker);
    }
  }

  private offer(claim: Claim, gate: Gate): Offer {
    const runId = claim.waiting.keys().next().value!;
    claim.waiting.delete(runId);
    for (const each of claim.gates) if (each instanceof LimitGate) each.wanted -= 1;
    gate.rotate(claim);
    if (claim.waiting.size === 0) this.leave(claim, gate);
    this.occupy(claim);
    claim.offered.add(runId);
    return { runId, claim };
  }

  private forget(runId: RunId): void {
    const left = (this.runs.get(runId) ?? 0) - 1;
    if (left > 0) this.runs.set(runId, left);
    else this.runs.delete(runId);
  }

  /** One wait a gate, however many stand there: until the next may begin. */
  private armToken(gate: Gate): void {
    if (!(gate instanceof LimitGate) || gate.bucket === null || this.timers.has(gate)) return;
    const ms = gate.bucket.msToToken();
    if (ms === null || ms === 0) return;
    const timer = this.wheel.after(ms, () => {
      this.timers.delete(gate);
      this.events.onRoom([gate]);
    });
    this.timers.set(gate, timer);
  }
}

/** One at least is left, and one at least is kept back where there are two. */
const allButAnEighth = (slots: number): number => Math.max(1, slots - Math.max(1, Math.floor(slots / 8)));

const blockerOf = ({ gates }: Claim): Gate | null => {
  for (const gate of gates) if (!gate.hasRoom()) return gate;
  return null;
};
