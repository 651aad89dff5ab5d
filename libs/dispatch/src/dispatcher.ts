import type { Grant, Plan, Run, Step, StepKey } from '#domain';
import type { Committed, Owner, RunEngine, RunId, RunNews, StartedAttempt } from '#engine';
import { LogFull, shardOf, type EventStore, type Position, type Shard } from '#event-store';
import { Bag, type Clock, type DispatchConfig, type Entropy, type Log, type Span, type Tracer } from '#runtime';
import { AttemptCounts } from './attempt-counts.js';
import { attemptSpan, endAttemptSpan } from './attempt-span.js';
import { classifyAnswer, classifyFault } from './classify.js';
import type { Breakers } from './flow/breakers.js';
import { FlowControl } from './flow/flow-control.js';
import type { Claim, Gate } from './flow/gate.js';
import { wholeLimits, type LimitShares } from './flow/limit-shares.js';
import type { OpenRuns } from './open-runs/open-runs.js';
import { RunDues } from './run-dues.js';
import { commandOf, type OutcomeCommand } from './outcome-command.js';
import { OwnedShards, type Flights, type ReleaseTimes } from './shards/owned-shards.js';
import type { ShardOwnership } from './shards/shard-ownership.js';
import { StalledRuns } from './stalled-runs.js';
import { parentOf, stepRequest, targetOf } from './step-request.js';
import { TimerWheel, type Timer } from './timer-wheel.js';
import { wakeRun } from './wake-run.js';
import { HttpExchanges, type Exchange, type ExchangeOutcome } from './undici/undici-exchange.js';

export type DispatcherOptions = DispatchConfig & {
  readonly name: string;
  readonly payloadMaxBytes: number;
  readonly graceMs: number;
  /** `null` or absent: attempts are not traced. */
  readonly tracer?: Tracer | null;
  readonly releaseTimes?: ReleaseTimes;
};

type Flight = {
  readonly runId: RunId;
  readonly step: StepKey;
  readonly attempt: number;
  readonly claim: Claim;
  /** Of all breakers, when the attempt began. */
  readonly epoch: number;
  readonly span: Span | null;
  /** By the monotonic clock: it is over by then. */
  readonly untilMs: number;
  exchange: Exchange | null;
  connected: boolean;
  deadline: Timer | null;
  landed: (() => void) | null;
  place: number;
};

const RECORD_AGAIN_MS = 1_000;
const NOBODY = { actor: null, traceparent: null };
const WAKE_UP = { type: 'WakeUp' } as const;

/**
 * Performs what runs are owed: attempts within its grants, dues on time. The only part that calls applications. An
 * attempt's first byte leaves after its start is committed, and what came of it is handed to the run as a command.
 */
export class Dispatcher implements Owner, Flights {
  readonly counts = new AttemptCounts();
  private readonly flow: FlowControl;
  private readonly wheel: TimerWheel;
  private readonly exchanges: HttpExchanges;
  private readonly dues: RunDues;
  private readonly shards: OwnedShards;
  private readonly stalledRuns: StalledRuns;
  private readonly flights = new Bag<Flight>();
  /** Over, but the log has not taken the outcome. */
  private readonly unrecorded = new Set<Flight>();
  private started = false;
  private draining: Promise<void> | null = null;
  private stopping: Promise<void> | null = null;
  /** Answers that came for an attempt that was over already; dropped. */
  superseded = 0;

  constructor(
    private readonly store: EventStore,
    private readonly engine: RunEngine,
    private readonly openRuns: OpenRuns,
    ownership: ShardOwnership,
    private readonly clock: Clock,
    private readonly entropy: Entropy,
    private readonly log: Log,
    private readonly options: DispatcherOptions,
    shares: LimitShares = wholeLimits,
  ) {
    this.wheel = new TimerWheel(clock);
    const flow = { ...options, perOriginMax: options.attemptsPerOriginMax };
    const onRoom = (gates: readonly Gate[]): void => this.wakeNext(gates);
    this.flow = new FlowControl(clock, this.wheel, entropy, log, flow, { onRoom }, shares);
    this.exchanges = new HttpExchanges(clock, {
      answerMaxBytes: options.payloadMaxBytes,
      connectionsPerOriginMax: options.connectionsPerOriginMax,
    });
    this.dues = new RunDues(openRuns, this.wheel, clock, log, {
      wake: (runId, anew, done) => wakeRun(engine, this.shards, runId, { anew, done }),
      isInHand: (runId) => engine.isActive(runId) || this.flow.isWaiting(runId),
    });
    const { dues } = this;
    this.stalledRuns = new StalledRuns(clock, (runId) => dues.wakeSoon(runId));
    this.shards = new OwnedShards(
      {
        store,
        engine,
        openRuns,
        ownership,
        dues,
        flights: this,
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
    return (this.draining ??= this.land(this.options.graceMs));
  }

  /** Drains, waits until everything is recorded, lets go of the runs. Idempotent. */
  stop(): Promise<void> {
    return (this.stopping ??= this.letGo());
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
    return { inFlight: inUse, waiting, overdue: this.dues.overdue, superseded: this.superseded };
  }

  /** What is left alone because it is down. */
  get breakers(): Pick<Breakers, 'news' | 'counts'> {
    return this.flow.breakers;
  }

  endpointOf({ request }: Step): string | null {
    return request === null ? null : request.url;
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

  bootOf(runId: RunId): string | null {
    return this.shards.bootOf(runId);
  }

  inherits(runId: RunId, startedAt: Position): boolean {
    return this.shards.inherits(runId, startedAt);
  }

  refund(step: Step, run: Run): void {
    if (step.request === null) return;
    const claim = this.flow.claimOf(targetOf(step.request.url), run.started);
    this.flow.release(claim, null);
    this.wakeNext(claim.gates);
  }

  committed(commit: Committed): void {
    const { runId, run } = commit;
    // What an API of this process starts is another's, if its shard is.
    if (!this.shards.holds(runId)) return;
    this.dues.noted(commit);
    this.shards.committed(commit);
    this.stalledRuns.release();
    for (const started of commit.attempts) this.perform(commit, started);
    if (run.status !== 'running' && run.status !== 'completed') this.cutOff(runId, run);
  }

  met(news: RunNews): void {
    if (!this.shards.holds(news.runId)) return;
    this.dues.noted(news);
    this.cutOff(news.runId, news.run);
  }

  busyUntil(): ReadonlyMap<Shard, number> {
    const until = new Map<Shard, number>();
    for (const { runId, untilMs } of this.flights.items()) {
      const shard = shardOf(runId);
      until.set(shard, Math.max(untilMs, until.get(shard) ?? untilMs));
    }
    for (const { runId } of this.unrecorded) until.set(shardOf(runId), Infinity);
    return until;
  }

  /** Waits for those in flight, a while, then hands them in as interrupted. */
  private async land(graceMs: number): Promise<void> {
    const flights = this.flights.items();
    let left = flights.length;
    if (left === 0) return;
    await new Promise<void>((resolve) => {
      const cancel = this.clock.after(graceMs, resolve);
      for (const flight of flights) {
        flight.landed = () => {
          if (--left > 0) return;
          cancel();
          resolve();
        };
      }
    });
    for (const flight of this.flights.items()) this.interrupt(flight);
  }

  abandon(isOurs: (runId: RunId) => boolean): void {
    for (const flight of this.flights.items()) {
      if (isOurs(flight.runId)) this.abort(flight, 'the shard of the run is not owned here any more');
    }
  }

  /** Ends the exchanges of attempts that are over, as of a run that was cancelled. */
  private cutOff(runId: RunId, run: Run): void {
    for (const flight of this.flights.items()) {
      if (flight.runId !== runId) continue;
      const last = run.steps.get(flight.step)?.attempts.at(-1);
      if (last?.number !== flight.attempt || last.outcome !== 'running') this.abort(flight, 'the attempt is over');
    }
  }

  private abort(flight: Flight, why: string): void {
    if (!this.end(flight)) return;
    flight.exchange?.abort('Stepwell.ConnectionLost', why);
    this.flow.release(flight.claim, flight.epoch);
    this.wakeNext(flight.claim.gates);
  }

  private perform({ runId, run, plan, traceparent }: Committed, { step: key, attempt }: StartedAttempt): void {
    const step = run.steps.get(key);
    const timeouts = step === undefined ? null : timeoutsOf(plan, step);
    if (step === undefined || timeouts === null) return;
    // The append that started it ended it too: a step beside it failed.
    if (step.attempts.at(-1)?.outcome !== 'running') return this.refund(step, run);
    if (step.request === null) return;
    const { tracer = null } = this.options;
    const span =
      tracer === null
        ? null
        : attemptSpan(tracer, { runId, step: key, attempt }, parentOf(traceparent, runId), step.request.url);
    const request = stepRequest(
      { runId, run, step, attempt, traceparent, span, connectMs: timeouts.connectMs },
      this.entropy,
    );
    if (request === null) return;
    const claim = this.flow.claimOf(targetOf(step.request.url), run.started);
    const flight: Flight = {
      runId,
      step: key,
      attempt,
      claim,
      epoch: this.flow.epoch,
      span,
      untilMs: this.clock.monotonicMs() + timeouts.answerMs,
      exchange: null,
      connected: false,
      deadline: null,
      landed: null,
      place: -1,
    };
    this.flights.add(flight);
    // Its start was on its way to the log when the stop began, or the share of a limit was lost.
    const mayBegin = this.draining === null && this.shards.mayBegin(runId) && this.flow.mayBegin(claim);
    if (!mayBegin) return this.interrupt(flight);
    flight.deadline = this.wheel.after(timeouts.answerMs, () => {
      flight.exchange?.abort('Stepwell.Timeout', `no whole answer within ${timeouts.answerMs} ms (answerMs)`);
    });
    flight.exchange = this.exchanges.begin(
      request,
      () => {
        flight.connected = true;
        this.flow.reached(claim, flight.epoch);
        return this.shards.mayBegin(runId);
      },
      (outcome) => (outcome === 'not-begun' ? this.interrupt(flight) : this.answered(flight, outcome)),
    );
  }

  private answered(flight: Flight, outcome: Exclude<ExchangeOutcome, 'not-begun'>): void {
    if (!this.end(flight)) return;
    const verdict =
      'answer' in outcome
        ? classifyAnswer(outcome.answer, this.clock.nowMs(), this.options.payloadMaxBytes)
        : classifyFault(outcome.fault);
    const { runId, step, attempt, claim, epoch } = flight;
    this.counts.count(claim.origin.id, verdict.succeeded ? 'succeeded' : verdict.class);
    if (flight.span !== null) endAttemptSpan(flight.span, verdict);
    this.flow.saw(claim, verdict, epoch);
    // The slot is free before the decision, so that the step that this answer readies may take it.
    this.flow.release(claim, epoch);
    this.record(flight, commandOf(step, attempt, verdict, this.entropy), runId);
    this.wakeNext(claim.gates);
  }

  /** Hands an outcome to its run, until the run takes or refuses it: what came back is not thrown away. */
  private record(flight: Flight, command: OutcomeCommand, runId: RunId): void {
    this.engine.submit(runId, command, NOBODY, (result) => {
      this.unrecorded.delete(flight);
      if (result.status === 'rejected') this.superseded += 1;
      if (result.status !== 'unavailable' || !this.shards.holds(runId)) return;
      const { step, attempt } = flight;
      // Of a full disk the engine has told.
      if (!(result.cause instanceof LogFull))
        this.log.error('an outcome could not be recorded; trying again', { runId, step, attempt, err: result.cause });
      if (this.stopping !== null) return;
      this.unrecorded.add(flight);
      this.wheel.after(RECORD_AGAIN_MS, () => this.record(flight, command, runId));
    });
  }

  private interrupt(flight: Flight): void {
    const sent = flight.exchange?.sent ?? false;
    if (!this.end(flight)) return;
    flight.exchange?.abort('Stepwell.ConnectionLost', 'the dispatcher stops');
    this.flow.release(flight.claim, flight.epoch);
    const { runId, step, attempt } = flight;
    const failureClass = sent ? 'may-have-executed' : 'not-executed';
    this.counts.count(flight.claim.origin.id, failureClass);
    flight.span?.end({ 'stepwell.outcome': failureClass }, 'Stepwell.Interrupted');
    this.record(flight, { type: 'InterruptAttempt', step, attempt, class: failureClass }, runId);
  }

  /** False when it was over already. */
  private end(flight: Flight): boolean {
    if (!this.flights.delete(flight)) return false;
    if (flight.deadline !== null) this.wheel.cancel(flight.deadline);
    if (flight.connected) this.flow.leftConnection(flight.claim);
    flight.landed?.();
    return true;
  }

  private async letGo(): Promise<void> {
    await this.drain();
    this.stalledRuns.stop();
    await this.shards.unfollow();
    await this.engine.stop();
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
    if (this.shards.holds(offer.runId)) this.engine.submit(offer.runId, WAKE_UP, NOBODY, settled);
    else settled();
  }
}

const timeoutsOf = (plan: Plan, step: Step) => {
  const node = plan.nodes[step.node];
  return node?.type === 'step' ? node.timeouts : null;
};
