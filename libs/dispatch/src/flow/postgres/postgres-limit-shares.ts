import type { Clock, Entropy, Log } from '#runtime';
import type { LimitGate } from '../gate.js';
import type { LimitShares, SharedGates } from '../limit-shares.js';
import { nextShare, type Share } from '../share-allotment.js';
import { LimitLedger, type Entry, type Reading } from './limit-ledger.js';

export type PostgresLimitSharesOptions = {
  readonly url: string;
  readonly name: string;
  /** How long a share is this process's without a word from it. */
  readonly leaseMs?: number;
  readonly beatMs?: number;
};

const LEASE_MS = 10_000;
const BEAT_MS = 1_000;
/** Of its lease a holder uses so much: clocks need not run alike. */
const LEASE_USED = 0.9;
/** Between what makes a beat wanted and the beat: what comes together is said together. */
const SOON_MS = 15;
const RECONNECT_MS = 500;
/** What cannot be shared evenly goes to the next after this long. */
const TURN_SECONDS = 3;
const IDLE_MS = 10_000;
const THOUSANDTHS = 1_000;
/** Who has nothing in line is left so much more than it used. */
const HEADROOM = 1.5;

type Held = { slots: number; rate: number; wanted: number; begun: number; usedAtMs: number };

/**
 * Shares of limits in a table of Postgres, leased by the server's clock. A share rises only into what no unexpired lease
 * has, under a lock, and is used only after the commit; it comes down here before it is written. A holder that cannot
 * renew begins nothing past nine tenths of its lease; what it has in flight then runs on to its answer or its deadline.
 */
export class PostgresLimitShares implements LimitShares {
  private readonly holder: string;
  private readonly leaseMs: number;
  private readonly beatMs: number;
  private readonly held = new Map<LimitGate, Held>();
  private gates: SharedGates | null = null;
  private ledger: LimitLedger | null = null;
  private beating: Promise<void> | null = null;
  private beatenAtMs: number;
  private next: { readonly atMs: number; readonly cancel: () => void } | null = null;
  private stopped = false;

  constructor(
    private readonly clock: Clock,
    entropy: Entropy,
    private readonly log: Log,
    private readonly options: PostgresLimitSharesOptions,
  ) {
    this.holder = `${options.name} ${entropy.hex(8)}`;
    this.leaseMs = options.leaseMs ?? LEASE_MS;
    this.beatMs = options.beatMs ?? BEAT_MS;
    this.beatenAtMs = clock.monotonicMs();
  }

  async start(gates: SharedGates): Promise<void> {
    this.gates = gates;
    this.ledger = await this.open();
    this.beatIn(this.beatMs);
  }

  opened(gate: LimitGate): void {
    gate.validUntilMs = -1;
    if (gate.limit.concurrency !== null) gate.allowed = gate.goal = 0;
    // One may begin at once when the share comes; what was saved up is not known here.
    gate.bucket?.become(0, 1);
    gate.onShrunk = () => this.beatIn(SOON_MS);
  }

  wants(gate: LimitGate): void {
    const known = this.held.get(gate);
    if (known === undefined || gate.inUse + gate.wanted > known.wanted) this.beatIn(SOON_MS);
  }

  async stop(): Promise<void> {
    this.stopped = true;
    this.next?.cancel();
    await this.beating;
    const { ledger } = this;
    this.ledger = null;
    try {
      await ledger?.giveAllBack();
      await ledger?.close();
    } catch (error) {
      // The lease ends by itself.
      this.log.warn('shares of limits were not given back; they end with their lease', { err: error });
    }
  }

  private open(): Promise<LimitLedger> {
    const { url } = this.options;
    return LimitLedger.open({ url, holder: this.holder, leaseMs: this.leaseMs }, () => this.beatIn(SOON_MS));
  }

  private beatIn(ms: number): void {
    if (this.stopped || this.gates === null) return;
    const atMs = this.clock.monotonicMs() + ms;
    if (this.next !== null && this.next.atMs <= atMs) return;
    this.next?.cancel();
    const cancel = this.clock.after(ms, () => {
      this.next = null;
      // One at a time; what made this one wanted is seen to after it.
      if (this.beating !== null) return this.beatIn(SOON_MS);
      this.beating = this.beat().finally(() => (this.beating = null));
    });
    this.next = { atMs, cancel };
  }

  private async beat(): Promise<void> {
    try {
      if (this.ledger === null || this.ledger.lost) this.ledger = await this.open();
      await this.exchange(this.ledger, this.gates!);
      this.beatIn(this.beatMs);
    } catch (error) {
      this.log.warn('shares of limits could not be renewed; trying again', { err: error });
      const { ledger } = this;
      this.ledger = null;
      await ledger?.close().catch(() => undefined);
      this.beatIn(RECONNECT_MS);
    }
  }

  private async exchange(ledger: LimitLedger, shared: SharedGates): Promise<void> {
    const { limits } = shared;
    const beganMs = this.clock.monotonicMs();
    const left = this.leaveIdle(limits, beganMs);
    const gates = [...limits.values()].filter((gate) => !gate.idle || this.held.has(gate));
    if (gates.length === 0 && left.length === 0) return;
    const decided = new Map<LimitGate, Held>();
    const places = gates.map(({ id }) => id);
    await ledger.exchange(places, left, (reading) => this.decide(gates, reading, decided, beganMs));
    this.beatenAtMs = beganMs;
    for (const [gate, share] of decided) {
      this.held.set(gate, share);
      gate.validUntilMs = beganMs + this.leaseMs * LEASE_USED;
      if (gate.limit.concurrency !== null) gate.allowed = Math.max(gate.allowed, share.slots);
      const { ratePerSecond, burst } = gate.limit;
      if (ratePerSecond !== null) {
        const part = share.rate / (ratePerSecond * THOUSANDTHS);
        gate.bucket?.become(share.rate / THOUSANDTHS, Math.max(1, burst * part));
      }
      if (gate.wanted > 0) shared.roomAt(gate);
    }
  }

  /** What this holder is to have; what comes down comes down here and now, what rises waits for the commit. */
  private decide(
    gates: readonly LimitGate[],
    { entries, epochSeconds }: Reading,
    decided: Map<LimitGate, Held>,
    nowMs: number,
  ): { readonly own: readonly Entry[]; readonly tell: boolean } {
    const byLimit = Map.groupBy(entries, ({ limit }) => limit);
    const turn = Math.floor(epochSeconds / TURN_SECONDS);
    let tell = false;
    const own = gates.map((gate): Entry => {
      const rows = byLimit.get(gate.id) ?? [];
      const mine = rows.find(({ holder }) => holder === this.holder);
      const others = rows.filter(({ holder }) => holder !== this.holder);
      const known = this.held.get(gate);
      const { concurrency, ratePerSecond } = gate.limit;
      const slots = this.share(
        concurrency ?? 0,
        { has: mine?.slots.has ?? 0, wants: gate.inUse + gate.wanted, inUse: gate.inUse },
        others.map((entry) => entry.slots),
        turn,
      );
      if (concurrency !== null) {
        gate.goal = slots.goal;
        gate.allowed = Math.min(gate.allowed, slots.has);
      }
      const total = Math.round((ratePerSecond ?? 0) * THOUSANDTHS);
      const rate = this.share(
        total,
        { has: mine?.rate.has ?? 0, wants: this.rateWanted(gate, total, known, nowMs), inUse: 0 },
        others.map((entry) => entry.rate),
        turn,
      );
      // Before it is written: another may use it from the commit on.
      if (rate.has < (mine?.rate.has ?? 0)) gate.bucket?.become(rate.has / THOUSANDTHS, gate.limit.burst);
      tell ||= slots.lacks || rate.lacks || slots.has < (mine?.slots.has ?? 0) || rate.has < (mine?.rate.has ?? 0);
      const usedAtMs = gate.idle ? (known?.usedAtMs ?? nowMs) : nowMs;
      decided.set(gate, { slots: slots.has, rate: rate.has, wanted: slots.wants, begun: gate.begun, usedAtMs });
      return { limit: gate.id, holder: this.holder, slots, rate };
    });
    return { own, tell };
  }

  private share(
    total: number,
    own: { readonly has: number; readonly wants: number; readonly inUse: number },
    others: readonly Share[],
    turn: number,
  ): Share & { readonly goal: number; readonly lacks: boolean } {
    const { holder } = this;
    if (total === 0) return { holder, has: 0, wants: own.wants, goal: 0, lacks: false };
    const { has, goal } = nextShare(total, { holder, ...own }, others, turn);
    return { holder, has, wants: own.wants, goal, lacks: has < Math.min(goal, own.wants) };
  }

  /** All of it while runs wait for it, else somewhat more than was used since the last beat. */
  private rateWanted(gate: LimitGate, total: number, known: Held | undefined, nowMs: number): number {
    if (gate.bucket === null) return 0;
    if (gate.wanted > 0) return total;
    const seconds = Math.max(nowMs - this.beatenAtMs, this.beatMs) / THOUSANDTHS;
    const used = (gate.begun - (known?.begun ?? gate.begun)) / seconds;
    return Math.min(total, Math.ceil(used * HEADROOM * THOUSANDTHS));
  }

  /** Limits that nothing has used for a while, or that were forgotten: their shares are for others. */
  private leaveIdle(limits: ReadonlyMap<string, LimitGate>, nowMs: number): string[] {
    const left: string[] = [];
    for (const [gate, { usedAtMs }] of this.held) {
      const known = limits.get(gate.id) === gate;
      if (known && (!gate.idle || nowMs - usedAtMs < IDLE_MS)) continue;
      this.held.delete(gate);
      gate.validUntilMs = -1;
      if (gate.limit.concurrency !== null) gate.allowed = gate.goal = 0;
      if (!limits.has(gate.id) || known) left.push(gate.id);
    }
    return left;
  }
}
