import type { Entropy } from '#runtime';
import type { Verdict } from '../classify.js';

export type BreakerState = 'closed' | 'open' | 'half-open';
/** What an attempt says of where it went: it is there and takes it, or it is down or has too much to do. */
export type Sign = 'well' | 'down';

export type BreakerOptions = {
  /** Consecutive signs of `down` that open it; 0 for never. */
  readonly faults: number;
  readonly openMs: number;
  readonly openMaxMs: number;
};

const ENDPOINT_WAITS_MAX = 10;

/**
 * A connection says all of an origin; an answer of an endpoint may be about its request alone. So as many try as have opened
 * it, and its waits grow to no more than ten first ones: else runs that are each refused for a while, with none between them
 * that is not, would wait for each other by the minute.
 */
export const ofEndpoint = (options: BreakerOptions): BreakerOptions & { readonly probes: number } => ({
  ...options,
  openMaxMs: Math.min(options.openMaxMs, ENDPOINT_WAITS_MAX * options.openMs),
  probes: options.faults,
});

/** Counts the changes of all breakers: one number tells of an attempt in which state it found each of them. */
export type Epochs = { now: number };

/**
 * Keeps what is down from being tried by every run that is due. Closed, it counts signs of `down` in a row; open, nothing
 * starts; half-open, a few probes do: one that goes well closes it, and it opens when none has. What began under an earlier
 * state says nothing.
 */
export class Breaker {
  state: BreakerState = 'closed';
  /** Half-open: how many are under way, and how many have ended badly. */
  private probes = 0;
  private failed = 0;
  /** Half-open: somebody has called since this was last set to false. */
  called = false;
  /** Of the open state, by the monotonic clock. */
  openedMs = 0;
  /** The epoch in which the state began. */
  private since = 0;
  private inARow = 0;
  private openings = 0;

  constructor(
    private readonly options: BreakerOptions & { readonly probes: number },
    private readonly entropy: Entropy,
    private readonly epochs: Epochs,
  ) {}

  get lets(): boolean {
    return this.state === 'closed' || (this.state === 'half-open' && this.probes + this.failed < this.options.probes);
  }

  get probing(): boolean {
    return this.probes > 0;
  }

  took(): void {
    if (this.state !== 'half-open') return;
    this.probes += 1;
    this.called = true;
  }

  /** What was taken is given back; `epoch` is that in which it began. */
  gaveBack(epoch: number): void {
    if (this.state === 'half-open' && epoch >= this.since && this.probes > 0) this.probes -= 1;
  }

  /** True when this sign has changed the state. */
  saw(sign: Sign, epoch: number): boolean {
    if (epoch < this.since || this.state === 'open') return false;
    if (sign === 'well') {
      this.inARow = 0;
      if (this.state === 'closed') return false;
      this.openings = 0;
      return this.become('closed');
    }
    if (this.state === 'half-open') {
      // It may be this one request that is refused: as long as another probe is under way, that one may go well.
      this.failed += 1;
      return this.probes > 1 && this.failed < this.options.probes ? false : this.become('open');
    }
    this.inARow += 1;
    return this.options.faults === 0 || this.inARow < this.options.faults ? false : this.become('open');
  }

  /** The wait is over: one may try. */
  halfOpen(): void {
    if (this.state === 'open') this.become('half-open');
  }

  /** As if it had never been down. */
  forget(): void {
    this.inARow = 0;
    this.openings = 0;
    this.become('closed');
  }

  private become(state: BreakerState): true {
    this.state = state;
    this.since = ++this.epochs.now;
    this.probes = 0;
    this.failed = 0;
    this.called = false;
    if (state === 'open') {
      const { openMs, openMaxMs } = this.options;
      // Half of it is chance, so that dispatchers do not probe together.
      const fullMs = Math.min(openMaxMs, openMs * 2 ** this.openings);
      this.openedMs = fullMs * (0.5 + this.entropy.jitter() / 2);
      this.openings += 1;
    }
    return true;
  }
}

/** What an attempt that has ended says; `null`: nothing. That its origin is there was said when its connection was. */
export type Signs = { readonly origin: 'down' | null; readonly endpoint: Sign | null };

const NOTHING: Signs = { origin: null, endpoint: null };
const NOT_REACHED: Signs = { origin: 'down', endpoint: null };
const WELL: Signs = { origin: null, endpoint: 'well' };
const DOWN: Signs = { origin: null, endpoint: 'down' };

const OVERLOADED: readonly (number | null)[] = [429, 502, 503, 504];

/**
 * An endpoint is down that says it has too much to do, or lets a request without answer; an origin, to which there is no
 * connection. 500 and the like are the endpoint's own failure at this one request: they neither close nor open anything.
 */
export const signsOf = (verdict: Verdict): Signs => {
  if (verdict.succeeded) return WELL;
  const { status, error } = verdict;
  if (OVERLOADED.includes(status)) return DOWN;
  const broken = error.name === 'Stepwell.Timeout' || error.name === 'Stepwell.ConnectionLost';
  if (verdict.class === 'not-executed')
    return broken || error.name === 'Stepwell.ConnectFailed' ? NOT_REACHED : NOTHING;
  if (broken) return DOWN;
  return status !== null && status < 500 ? WELL : NOTHING;
};
