import type { Grant, Run, Step, StepKey } from '#domain';
import type { Committed, HoldUp, Origin, Owner, RunEngine, RunId, RunNews, StartedAttempt } from '#engine';
import { shardOf, type EventStore, type Position, type Shard } from '#event-store';
import { takesLonger, type Clock, type DispatchConfig, type Entropy, type Log, type Tracer } from '#runtime';
import { AttemptCounts } from './attempt-counts.js';
import { Flights } from './flights.js';
import type { Breakers } from './flow/breakers.js';
import { FlowControl } from './flow/flow-control.js';
import type { Gate } from './flow/gate.js';
import { wholeLimits, type LimitShares } from './flow/limit-shares.js';
import type { OpenRuns } from './open-runs/open-runs.js';
import { Outcomes } from './outcomes.js';
import { RunDues } from './run-dues.js';
import { OwnedShards, type ReleaseTimes, type ShardTraffic } from './shards/owned-shards.js';
import type { ShardOwnership } from './shards/shard-ownership.js';
import { StalledRuns } from './stalled-runs.js';
import { targetOf } from './step-request.js';
import { TimerWheel } from './timer-wheel.js';
import { wakeRun } from './wake-run.js';
import { HttpExchanges, type Exchanges } from './undici/undici-exchange.js';

export type DispatcherOptions = DispatchConfig & {
  readonly name: string;
  readonly payloadMaxBytes: number;
  readonly graceMs: number;
  /** `null` or absent: attempts are not traced. */
  readonly tracer?: Tracer | null;
  readonly releaseTimes?: ReleaseTimes;
  /** In the place of HTTP over sockets. */
  readonly exchanges?: Exchanges;
};

/** A stop gives what came of the attempts so long at least to be recorded, though they have taken the whole grace. */
const RECORD_AT_LEAST_MS = 1_000;
/** A stop gives the stores so long to take back what is the dispatcher's. */
const GIVE_BACK_WITHIN_MS = 2_000;
const WAKE_UP = { type: 'WakeUp' } as const;

/**
 * Performs what runs are owed: attempts within its grants, dues on time. The only part that calls applications. An
 * attempt's first byte leaves after its start is committed, and what came of it is handed to the run as a command.
 */
export class Dispatcher implements Owner, ShardTraffic {
  readonly counts = new AttemptCounts();
  private readonly flow: FlowControl;
  private readonly wheel: TimerWheel;
  private readonly exchanges: Exchanges;
  private readonly dues: RunDues;
  private readonly shards: OwnedShards;
  private readonly stalledRuns: StalledRuns;
  private readonly flights: Flights;
  private readonly outcomes: Outcomes;
  private started = false;
  private draining: Promise<void> | null = null;
  private stopping: Promise<void> | null = null;
  /** Its own decisions bear its name. */
  readonly origin: Origin;

  constructor(
    private readonly store: EventStore,
    private readonly engine: RunEngine,
    private readonly openRuns: OpenRuns,
    ownership: ShardOwnership,
    private readonly clock: Clock,
    entropy: Entropy,
    private readonly log: Log,
    private readonly options: DispatcherOptions,
    shares: LimitShares = wholeLimits,
  ) {
    this.origin = { actor: options.name, traceparent: null };
    this.wheel = new TimerWheel(clock);
    this.outcomes = new Outcomes(engine, this.wheel, clock, log, this.origin, (runId) => this.shards.holds(runId));
    const flow = { ...options, perOriginMax: options.attemptsPerOriginMax };
    const onRoom = (gates: readonly Gate[]): void => this.wakeNext(gates);
    this.flow = new FlowControl(clock, this.wheel, entropy, log, flow, { onRoom }, shares);
    const { payloadMaxBytes, connectionsPerOriginMax, tracer = null } = options;
    this.exchanges =
      options.exchanges ?? new HttpExchanges(clock, { answerMaxBytes: payloadMaxBytes, connectionsPerOriginMax });
    this.dues = new RunDues(openRuns, this.wheel, clock, log, {
      wake: (runId, waking) => wakeRun(engine, this.shards, runId, waking),
      isInHand: (runId) => engine.isActive(runId) || this.flow.isWaiting(runId) || engine.parked(runId) !== null,
    });
    const { dues, flow: flowControl, exchanges, wheel, counts } = this;
    this.flights = new Flights(
      { flow: flowControl, exchanges, wheel, clock, entropy, counts, log, tracer, payloadMaxBytes },
      {
        mayBegin: (runId) => this.shards.mayBegin(runId),
        ended: (flight, command) => this.outcomes.record(flight, command),
        broken: (runId, bug) => engine.park(runId, bug),
        freed: onRoom,
      },
    );
    this.stalledRuns = new StalledRuns(clock, (runId) => dues.wakeSoon(runId));
    this.shards = new OwnedShards(
      {
        store,
        engine,
        openRuns,
        ownership,
        dues,
        traffic: this,
        name: options.name,
        releaseTimes: options.releaseTimes,
      },
      clock,
      entropy,
      log,
    );
  }

  /** Takes the runs over of the shards that are to be had: reads what is open, then acts. */
  async start(): Promise<void> {
    await this.openRuns.start();
    await this.flow.start();
    this.engine.ownedBy(this);
    this.dues.start();
    await this.shards.start();
    this.started = true;
  }

  /** Starts no attempt any more, waits for those in flight, hands in what remains as interrupted. Idempotent. */
  drain(): Promise<void> {
    return (this.draining ??= this.flights.land(this.options.graceMs));
  }

  /** Drains, waits until everything is recorded, lets go of the runs. Idempotent. */
  stop(): Promise<void> {
    return (this.stopping ??= this.leave());
  }

  /** True from the take-over to the stop. */
  get acting(): boolean {
    return this.started && this.draining === null;
  }

  /** How many shards are this process's, and for how many of them it acts. */
  get shardCounts(): { readonly owned: number; readonly acting: number } {
    return this.shards.counts;
  }

  get load(): {
    readonly inFlight: number;
    readonly waiting: number;
    readonly overdue: number;
    readonly superseded: number;
  } {
    const { inUse, waiting } = this.flow.usage;
    return { inFlight: inUse, waiting, overdue: this.dues.overdue, superseded: this.outcomes.superseded };
  }

  /** What is left alone because it is down. */
  get breakers(): Pick<Breakers, 'news' | 'counts'> {
    return this.flow.breakers;
  }

  grant(runId: RunId, step: Step, run: Run): Grant | null {
    if (this.draining !== null || step.request === null) return null;
    const granted = this.shards.grantFor(runId);
    if (granted === null || !this.stalledRuns.mayStart(runId)) return null;
    const claim = this.flow.claimOf(targetOf(step.request.url), run.started);
    return this.flow.take(claim, runId) ? granted : null;
  }

  stalled(runId: RunId): void {
    if (this.shards.holds(runId)) this.stalledRuns.add(runId);
  }

  holds(runId: RunId): boolean {
    return this.shards.holds(runId);
  }

  bootOf(runId: RunId): string | null {
    return this.shards.bootOf(runId);
  }

  inherits(runId: RunId, startedAt: Position): boolean {
    return this.shards.inherits(runId, startedAt);
  }

  refund(url: string, run: Run): void {
    const claim = this.flow.claimOf(targetOf(url), run.started);
    this.flow.release(claim, null);
    this.wakeNext(claim.gates);
  }

  committed(commit: Committed): void {
    const { runId, run } = commit;
    // What an API of this process starts is another's, if its shard is.
    if (!this.shards.holds(runId)) return;
    const { attempts } = commit;
    let next = 0;
    try {
      this.dues.noted(commit);
      this.shards.committed(commit);
      this.stalledRuns.release();
      this.flights.cutOff(runId, commit.abandoned);
      for (; next < attempts.length; next++) this.begin(commit, attempts[next]!);
    } catch (bug) {
      // The slots of what has not begun would be nobody's for ever.
      for (const { url } of attempts.slice(next)) this.refund(url, run);
      throw bug;
    }
  }

  private begin(commit: Committed, started: StartedAttempt): void {
    const { runId, run } = commit;
    const isRunning = run.steps.get(started.step)?.attempts.at(-1)?.outcome === 'running';
    if (isRunning) this.flights.begin(commit, started, this.draining === null && this.shards.mayBegin(runId));
    // The append that started it ended it too: a step beside it failed.
    else this.refund(started.url, run);
  }

  observed(news: RunNews): void {
    if (!this.shards.holds(news.runId)) return;
    this.dues.noted(news);
    this.flights.cutOffAllBut(news.runId, news.run);
  }

  holdUpOf(runId: RunId, step: Step, run: Run): HoldUp | null {
    return step.request === null ? null : this.flow.holdUpOf(runId, step.request.url, run.started);
  }

  isUnsent(runId: RunId, step: StepKey, attempt: number): boolean {
    return this.flights.isUnsent(runId, step, attempt);
  }

  withhold(runId: RunId, step: StepKey, attempt: number): void {
    this.flights.withhold(runId, step, attempt);
  }

  busyUntil(): ReadonlyMap<Shard, number> {
    const until = new Map<Shard, number>();
    for (const { runId, untilMs } of this.flights.all()) {
      const shard = shardOf(runId);
      until.set(shard, Math.max(untilMs, until.get(shard) ?? untilMs));
    }
    for (const shard of this.outcomes.shards()) until.set(shard, Infinity);
    return until;
  }

  abandon(isOurs: (runId: RunId) => boolean): void {
    this.flights.abandon(isOurs);
  }

  private async leave(): Promise<void> {
    this.outcomes.end();
    const sinceMs = this.clock.monotonicMs();
    await this.drain();
    this.stalledRuns.stop();
    await this.shards.unfollow();
    // What of the grace the attempts have left is for recording what came of them.
    const leftMs = this.options.graceMs - (this.clock.monotonicMs() - sinceMs);
    await this.engine.stop(Math.max(leftMs, RECORD_AT_LEAST_MS));
    this.outcomes.stop();
    if (!(await takesLonger(this.clock, GIVE_BACK_WITHIN_MS, this.giveBack()))) return;
    this.log.warn(
      'the dispatcher stops before its shards, dues and shares are given back: their leases end by themselves',
    );
  }

  /** What a store that is silent does not take is as after a kill: others get it when the lease has ended. */
  private async giveBack(): Promise<void> {
    await this.shards.stop();
    await this.dues.stop();
    this.wheel.stop();
    await this.exchanges.stop();
    await this.flow.stop();
    await this.openRuns.stop();
  }

  /** Offers a free slot to the run whose turn it is; when that one has no use for it any more, to the next. */
  private wakeNext(gates: readonly Gate[]): void {
    if (this.draining !== null) return;
    const offer = this.flow.next(gates);
    if (offer === null) return;
    const settled = (): void => {
      const unused = this.flow.settle(offer);
      // Not from within the answer: a thousand in line may have no use for it, and each would deepen the stack.
      queueMicrotask(() => {
        if (unused && offer.claim.gates !== gates) this.wakeNext(offer.claim.gates);
        this.wakeNext(gates);
      });
    };
    if (this.shards.holds(offer.runId)) this.engine.submit(offer.runId, WAKE_UP, this.origin, settled);
    else settled();
  }
}
