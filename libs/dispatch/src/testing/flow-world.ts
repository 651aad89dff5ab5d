import { NULL_TEXT, type FailureClass } from '#domain';
import type { RunId } from '#engine';
import { silentLog, type FlowLimit } from '#runtime';
import type { Verdict } from '../classify.js';
import { FlowControl, type FlowOptions } from '../flow/flow-control.js';
import type { Claim, Gate } from '../flow/gate.js';
import { TimerWheel } from '../timer-wheel.js';
import { TestClock } from './test-clock.js';

export const id = (name: string) => name as RunId;

export const limit = (kind: FlowLimit['kind'], name: string, change: Partial<FlowLimit> = {}): FlowLimit => ({
  kind,
  name,
  namespace: null,
  concurrency: null,
  ratePerSecond: null,
  burst: 1,
  ...change,
});

/** What comes of an attempt that failed so. */
export const failed = (status: number | null, name: string, failureClass: FailureClass): Verdict => ({
  succeeded: false,
  class: failureClass,
  status,
  error: { name, cause: null },
  body: null,
  retryable: true,
  retryAfterMs: null,
});
const VERDICTS = {
  well: { succeeded: true, status: 200, output: NULL_TEXT },
  down: failed(503, 'HTTP.503', 'may-have-executed'),
  busy: failed(429, 'HTTP.429', 'refused'),
  fails: failed(500, 'HTTP.500', 'may-have-executed'),
  unreached: failed(null, 'Stepwell.ConnectFailed', 'not-executed'),
} satisfies Record<string, Verdict>;
type Outcome = keyof typeof VERDICTS;

/** A flow control whose woken runs all take what they are offered, unless a test says which do not. */
export class Flow {
  readonly clock = new TestClock();
  readonly control: FlowControl;
  /** Runs that began, in order. */
  readonly began: string[] = [];
  readonly flights: { readonly claim: Claim; readonly epoch: number; readonly run: string }[] = [];
  readonly refusing = new Set<string>();

  constructor(options: Partial<FlowOptions> = {}) {
    const wheel = new TimerWheel(this.clock, (_turns, call) => call());
    const chance = { jitter: () => 0.999, hex: () => '' };
    const breaker = { faults: 5, openMs: 1_000, openMaxMs: 60_000 };
    const all = {
      attemptsMax: 1_024,
      perOriginMax: 512,
      connectionsPerOriginMax: 512,
      limits: [],
      breaker,
      ...options,
    };
    this.control = new FlowControl(this.clock, wheel, chance, silentLog, all, { onRoom: (at) => this.wake(at) });
  }

  /** Of an origin's one endpoint, or, named `origin/path`, of that one. */
  claim(url: string, namespace = 'n', queue = 'q', tags: Record<string, string> = {}): Claim {
    return this.control.claimOf({ origin: url.split('/')[0]!, url }, { namespace, queue, tags });
  }

  ask(run: string, claim: Claim): boolean {
    const took = this.control.take(claim, id(run));
    if (took) this.begin(run, claim);
    return took;
  }

  /** Ends the attempt of a run, or the one that began first. */
  end(run = this.flights[0]?.run, outcome: Outcome = 'well'): void {
    const index = this.flights.findIndex((flight) => flight.run === run);
    const [flight] = this.flights.splice(index, 1);
    if (flight === undefined) throw new Error(`nothing of ${run} is in flight`);
    this.control.saw(flight.claim, VERDICTS[outcome], flight.epoch);
    this.control.release(flight.claim, flight.epoch);
    this.wake(flight.claim.gates);
  }

  wake(gates: readonly Gate[]): void {
    for (let offer = this.control.next(gates); offer !== null; offer = this.control.next(gates)) {
      const { runId, claim } = offer;
      if (!this.refusing.has(runId)) this.ask(runId, claim);
      if (this.control.settle(offer)) this.wake(claim.gates);
    }
  }

  private begin(run: string, claim: Claim): void {
    this.began.push(run);
    this.flights.push({ claim, epoch: this.control.epoch, run });
  }
}
