import type { Entropy } from '#runtime';
import type { Verdict } from '../classify.js';

export type BreakerState = 'closed' | 'open' | 'half-open';
/** What an attempt says of its target: it took it, or it is down or has too much to do. */
export type Sign = 'well' | 'down';

export type BreakerOptions = {
  /** Consecutive signs of `down` that open it; 0 for never. */
  readonly faults: number;
  readonly openMs: number;
  readonly openMaxMs: number;
};

/**
 * Keeps a target that is down from being tried by every run that is due. Closed, it counts signs of `down` in a row; open,
 * nothing starts; half-open, one probe does, and its sign closes or opens. What began under an earlier state says nothing:
 * each state has an epoch, and a sign of another epoch is dropped.
 */
export class Breaker {
  state: BreakerState = 'closed';
  /** Changes with the state. */
  epoch = 0;
  probing = false;
  /** Of the open state, by the monotonic clock. */
  openedMs = 0;
  private inARow = 0;
  private openings = 0;

  constructor(
    private readonly options: BreakerOptions,
    private readonly entropy: Entropy,
  ) {}

  get lets(): boolean {
    return this.state === 'closed' || (this.state === 'half-open' && !this.probing);
  }

  took(): void {
    if (this.state === 'half-open') this.probing = true;
  }

  /** What was taken is given back; `epoch` is that under which it began. */
  gaveBack(epoch: number): void {
    if (this.state === 'half-open' && epoch === this.epoch) this.probing = false;
  }

  /** True when this sign has changed the state. */
  saw(sign: Sign, epoch: number): boolean {
    if (epoch !== this.epoch || this.state === 'open') return false;
    if (sign === 'well') {
      this.inARow = 0;
      if (this.state === 'closed') return false;
      this.openings = 0;
      return this.become('closed');
    }
    this.inARow += 1;
    if (this.state === 'closed' && (this.options.faults === 0 || this.inARow < this.options.faults)) return false;
    return this.become('open');
  }

  /** The wait is over: one may try. */
  halfOpen(): void {
    if (this.state === 'open') this.become('half-open');
  }

  private become(state: BreakerState): true {
    this.state = state;
    this.epoch += 1;
    this.probing = false;
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

const TRANSPORT: readonly string[] = ['Stepwell.ConnectFailed', 'Stepwell.ConnectionLost', 'Stepwell.Timeout'];
const OVERLOADED: readonly (number | null)[] = [429, 503];

/** Down is who cannot be reached, breaks off, does not answer in time, or says that it has too much to do. */
export const signOf = (verdict: Verdict): Sign => {
  if (verdict.succeeded) return 'well';
  return TRANSPORT.includes(verdict.error.name) || OVERLOADED.includes(verdict.status) ? 'down' : 'well';
};
