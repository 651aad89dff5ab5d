import type { RunId } from '#engine';
import { instantOf, type Clock, type Entropy, type FlowLimit, type Log } from '#runtime';
import type { TimerWheel } from '../timer-wheel.js';
import type { BreakerOptions, BreakerState, Sign } from './breaker.js';
import { Claims, type Sender } from './claims.js';
import { LimitGate, OriginGate, type Claim, type Gate, type Whole } from './gate.js';
import { wholeLimits, type LimitShares, type SharedGates } from './limit-shares.js';

export type FlowOptions = {
  readonly attemptsMax: number;
  readonly perOriginMax: number;
  readonly limits: readonly FlowLimit[];
  readonly breaker: BreakerOptions;
};

/** A run that is to be woken: a slot is held for it until `settle`. */
export type Offer = { readonly runId: RunId; readonly claim: Claim };

/** A target that is left alone, or tried by one attempt. */
export type BreakerNews = {
  readonly target: string;
  readonly state: Exclude<BreakerState, 'closed'>;
  readonly since: string;
  /** When it will be tried again; `null` when it is being tried, or will be by the next attempt. */
  readonly until: string | null;
};

/** `onRoom`: there may be room at these gates for who waits. */
export type FlowEvents = { readonly onRoom: (gates: readonly Gate[]) => void };

const BREAKERS_SHOWN_MAX = 100;

/**
 * Which attempts may be in flight: in all, per origin, and per target, queue and key as configured. An attempt has a slot
 * of every gate that it passes or of none, so that who waits for one target holds nothing of another. Whoever is stopped
 * stands in the line of the gate that stopped it; lines serve namespaces by turns.
 */
export class FlowControl implements SharedGates {
  private readonly whole: Whole;
  private readonly claims: Claims;
  /** Origins with runs in line, by turns. */
  private readonly lines = new Set<OriginGate>();
  private readonly runs = new Map<RunId, number>();
  private readonly timers = new Set<Gate>();
  private readonly broken = new Map<OriginGate, BreakerNews>();

  constructor(
    private readonly clock: Clock,
    private readonly wheel: TimerWheel,
    entropy: Entropy,
    private readonly log: Log,
    options: FlowOptions,
    private readonly events: FlowEvents,
    private readonly shares: LimitShares = wholeLimits,
  ) {
    this.whole = { attemptsMax: options.attemptsMax, perOriginMax: options.perOriginMax, inUse: 0 };
    this.claims = new Claims(this.whole, clock, entropy, options, (gate) => shares.opened(gate));
  }

  start(): Promise<void> {
    return this.shares.start(this);
  }

  stop(): Promise<void> {
    return this.shares.stop();
  }

  get limits(): ReadonlyMap<string, LimitGate> {
    return this.claims.limits;
  }

  claimOf(origin: string, sender: Sender): Claim {
    return this.claims.of(origin, sender);
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

  /** `epoch` is that of the target's breaker when the attempt began; without it nothing began. */
  release(claim: Claim, epoch: number | null): void {
    claim.inUse -= 1;
    for (const gate of claim.gates) {
      gate.release();
      if (epoch === null && gate instanceof LimitGate) gate.bucket?.giveBack();
    }
    claim.origin.breaker.gaveBack(epoch ?? claim.origin.breaker.epoch);
  }

  /** What an attempt that has ended says of its target. */
  saw(claim: Claim, sign: Sign, epoch: number): void {
    const { origin } = claim;
    const before = origin.breaker.state;
    if (!origin.breaker.saw(sign, epoch)) return;
    if (origin.breaker.state === 'closed') {
      this.broken.delete(origin);
      this.log.info('a target answers again', { target: origin.id });
      this.events.onRoom([origin]);
      return;
    }
    const { openedMs } = origin.breaker;
    this.note(origin, 'open', instantOf(this.clock.nowMs() + openedMs));
    const why = before === 'half-open' ? 'the probe failed too' : 'attempts failed in a row';
    this.log.warn('a target is left alone for a while', { target: origin.id, why, ms: Math.round(openedMs) });
    this.wheel.after(openedMs, () => {
      origin.breaker.halfOpen();
      this.note(origin, 'half-open', null);
      this.events.onRoom([origin]);
    });
  }

  /** The next run in line that could have a slot now: at one of these gates, else at the origin whose turn it is. */
  next(gates: readonly Gate[]): Offer | null {
    for (const gate of gates) {
      const offer = gate.line.size === 0 ? null : this.pick(gate);
      if (offer !== null) return offer;
    }
    for (const origin of this.lines) {
      const offer = this.pick(origin);
      if (offer === null) continue;
      // To the back, so that origins take turns.
      if (this.lines.delete(origin) && origin.line.size > 0) this.lines.add(origin);
      return offer;
    }
    return null;
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
    if (claim.gates.length === 1) return true;
    const nowMs = this.clock.monotonicMs();
    return claim.gates.every((gate) => !(gate instanceof LimitGate) || nowMs <= gate.validUntilMs);
  }

  get usage(): { readonly inUse: number; readonly waiting: number } {
    return { inUse: this.whole.inUse, waiting: this.runs.size };
  }

  get breakers(): readonly BreakerNews[] {
    // One that nobody called since may have been let go.
    for (const origin of this.broken.keys())
      if (this.claims.origins.get(origin.id) !== origin) this.broken.delete(origin);
    return [...this.broken.values()].slice(0, BREAKERS_SHOWN_MAX);
  }

  /** In line, or woken and not yet decided. */
  isWaiting(runId: RunId): boolean {
    return this.runs.has(runId);
  }

  private occupy(claim: Claim): void {
    claim.inUse += 1;
    for (const gate of claim.gates) gate.take();
  }

  private whereOthersWait({ gates, namespace }: Claim): Gate | null {
    for (const gate of gates) if (gate.line.size > 0 && gate.othersWait(namespace)) return gate;
    return null;
  }

  private queue(claim: Claim, runId: RunId, gate: Gate): void {
    if (!claim.waiting.has(runId)) {
      claim.waiting.add(runId);
      this.runs.set(runId, (this.runs.get(runId) ?? 0) + 1);
      for (const each of claim.gates) if (each instanceof LimitGate) each.wanted += 1;
    }
    if (claim.at === null) this.stand(claim, gate);
  }

  private stand(claim: Claim, gate: Gate): void {
    gate.stand(claim);
    if (gate instanceof OriginGate) this.lines.add(gate);
    else if (gate instanceof LimitGate) {
      this.shares.wants(gate);
      this.armToken(gate);
    }
  }

  private leave(claim: Claim, gate: Gate): void {
    gate.leave(claim);
    if (gate instanceof OriginGate && gate.line.size === 0) this.lines.delete(gate);
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
    const runId = claim.waiting.values().next().value!;
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
    this.timers.add(gate);
    this.wheel.after(ms, () => {
      this.timers.delete(gate);
      this.events.onRoom([gate]);
    });
  }

  private note(origin: OriginGate, state: BreakerNews['state'], until: string | null): void {
    const since = this.broken.get(origin)?.since ?? this.clock.now();
    this.broken.set(origin, { target: origin.id, state, since, until });
  }
}

const blockerOf = ({ gates }: Claim): Gate | null => {
  for (const gate of gates) if (!gate.hasRoom()) return gate;
  return null;
};
