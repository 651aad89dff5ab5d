import type { ErrorInfo } from '#domain';
import { instantOf, type Clock, type Log } from '#runtime';
import type { Timer, TimerWheel } from '../timer-wheel.js';
import type { BreakerState, Sign } from './breaker.js';
import { OriginGate, type EndpointGate } from './gate.js';

/** What is left alone, or tried by one attempt: all of an origin, or one endpoint. */
export type BreakerNews = {
  readonly target: string;
  /** Its url, as the definition has it; `null` when the origin itself cannot be reached. */
  readonly endpoint: string | null;
  readonly state: Exclude<BreakerState, 'closed'>;
  readonly since: string;
  /** When it will be tried again; `null` when it is being tried, or will be by the next attempt. */
  readonly until: string | null;
  readonly lastError: ErrorInfo | null;
};

export type BreakerGate = OriginGate | EndpointGate;

type Broken = {
  readonly since: string;
  /** By the monotonic clock; `null` when half-open. */
  untilMs: number | null;
  /** The same by the wall clock, as it was then. */
  until: string | null;
  lastError: ErrorInfo | null;
  timer: Timer | null;
};

const SHOWN_MAX = 100;
/** The wall clock was set when it says another time than the monotonic one by so much. */
const SET_MS = 500;
/** Nobody has called what is half-open for so long: it counts as down no more. */
const FORGET_AFTER_MS = 600_000;

/** Those breakers that are not closed: what is known of them, and when they change by time alone. */
export class Breakers {
  private readonly broken = new Map<BreakerGate, Broken>();

  /** `changed`: what stands in line there may go on, or must wait. */
  constructor(
    private readonly clock: Clock,
    private readonly wheel: TimerWheel,
    private readonly log: Log,
    private readonly changed: (gate: BreakerGate) => void,
  ) {}

  /** `error`: what went wrong, of a sign of `down`. */
  saw(gate: BreakerGate, sign: Sign, epoch: number, error: ErrorInfo | null): void {
    const { breaker } = gate;
    const before = breaker.state;
    if (!breaker.saw(sign, epoch)) return;
    if (breaker.state === 'closed') {
      this.end(gate);
      this.log.info('a target answers again', placeOf(gate));
      return this.changed(gate);
    }
    const { openedMs } = breaker;
    const broken = this.broken.get(gate) ?? newBroken(this.clock.now());
    broken.lastError = error;
    broken.untilMs = this.clock.monotonicMs() + openedMs;
    broken.until = instantOf(Math.ceil(this.clock.nowMs() + openedMs));
    this.broken.set(gate, broken);
    const why = before === 'half-open' ? 'the probe failed too' : 'attempts failed in a row';
    const fields = { why, error: error?.name ?? null, ms: Math.round(openedMs) };
    // Why there was no connection is our own finding; other causes may quote what an application said.
    const cause = gate instanceof OriginGate ? { cause: error?.cause ?? null } : undefined;
    this.log.warn('a target is left alone for a while', { ...placeOf(gate), ...fields, ...cause });
    this.wait(broken, openedMs, () => this.halfOpen(gate, broken));
    this.changed(gate);
  }

  get size(): number {
    return this.broken.size;
  }

  /** How many are in which state. */
  get counts(): { readonly open: number; readonly 'half-open': number } {
    let open = 0;
    for (const { breaker } of this.broken.keys()) if (breaker.state === 'open') open += 1;
    return { open, 'half-open': this.broken.size - open };
  }

  /** Those that have been down longest, so many at most. */
  get news(): readonly BreakerNews[] {
    const news: BreakerNews[] = [];
    for (const gate of this.broken.keys()) {
      if (news.length >= SHOWN_MAX) break;
      news.push(this.newsOf(gate)!);
    }
    return news;
  }

  /** `null` when it is closed. */
  newsOf(gate: BreakerGate): BreakerNews | null {
    const broken = this.broken.get(gate);
    if (broken === undefined) return null;
    const { since, lastError } = broken;
    return {
      ...placeOf(gate),
      state: gate.breaker.state === 'open' ? 'open' : 'half-open',
      since,
      until: this.untilOf(broken),
      lastError,
    };
  }

  /** As it was said first, so that it stays the same however often it is asked for; unless the wall clock was set since. */
  private untilOf({ untilMs, until }: Broken): string | null {
    if (untilMs === null || until === null) return null;
    const nowMs = this.clock.nowMs();
    const dueMs = nowMs + Math.max(0, Math.ceil(untilMs - this.clock.monotonicMs()));
    const saidMs = Date.parse(until);
    return saidMs >= nowMs && Math.abs(saidMs - dueMs) < SET_MS ? until : instantOf(dueMs);
  }

  /** Nothing changes by time any more. */
  stop(): void {
    for (const { timer } of this.broken.values()) if (timer !== null) this.wheel.cancel(timer);
    this.broken.clear();
  }

  private halfOpen(gate: BreakerGate, broken: Broken): void {
    gate.breaker.halfOpen();
    broken.untilMs = null;
    broken.until = null;
    this.forgetLater(gate, broken);
    this.changed(gate);
  }

  private forgetLater(gate: BreakerGate, broken: Broken): void {
    gate.breaker.called = false;
    this.wait(broken, FORGET_AFTER_MS, () => {
      if (gate.breaker.called || gate.breaker.probing) return this.forgetLater(gate, broken);
      this.end(gate);
      gate.breaker.forget();
      this.log.info('a target that was left alone is called no more, and counts as down no more', placeOf(gate));
    });
  }

  private wait(broken: Broken, ms: number, call: () => void): void {
    if (broken.timer !== null) this.wheel.cancel(broken.timer);
    broken.timer = this.wheel.after(ms, call);
  }

  private end(gate: BreakerGate): void {
    const timer = this.broken.get(gate)?.timer ?? null;
    if (timer !== null) this.wheel.cancel(timer);
    this.broken.delete(gate);
  }
}

const newBroken = (since: string): Broken => ({ since, untilMs: null, until: null, lastError: null, timer: null });

const placeOf = (gate: BreakerGate): { readonly target: string; readonly endpoint: string | null } =>
  gate instanceof OriginGate ? { target: gate.id, endpoint: null } : { target: gate.origin.id, endpoint: gate.id };
