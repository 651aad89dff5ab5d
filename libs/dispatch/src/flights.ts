import assert from 'node:assert/strict';
import { policyOf, type Run, type StepKey } from '#domain';
import type { AttemptPlace, Committed, RunId, StartedAttempt } from '#engine';
import type { Clock, Entropy, Log, Span, Tracer } from '#runtime';
import type { AttemptClass, AttemptCounts } from './attempt-counts.js';
import { attemptSpan, endAttemptSpan } from './attempt-span.js';
import { classifyAnswer, classifyFault } from './classify.js';
import type { FlowControl } from './flow/flow-control.js';
import type { Claim, Gate } from './flow/gate.js';
import { FlightIndex } from './flight-index.js';
import { commandOf, type OutcomeCommand } from './outcome-command.js';
import { parentOf, stepRequest, targetOf } from './step-request.js';
import type { Timer, TimerWheel } from './timer-wheel.js';
import type { Exchange, ExchangeOutcome, Exchanges } from './undici/undici-exchange.js';

/** An attempt whose start is in the log, until it is over. */
export type Flight = {
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
  /** It is decided that it is over: what has not been sent is not sent any more. */
  withheld: boolean;
  deadline: Timer | null;
  landed: (() => void) | null;
};

export type FlightParts = {
  readonly flow: FlowControl;
  readonly exchanges: Exchanges;
  readonly wheel: TimerWheel;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly counts: AttemptCounts;
  readonly log: Log;
  readonly tracer: Tracer | null;
  readonly payloadMaxBytes: number;
};

export interface FlightListener {
  /** Asked right before the first byte leaves. */
  mayBegin(runId: RunId): boolean;
  /** It is over: its run is to record this. */
  ended(flight: Flight, command: OutcomeCommand): void;
  /** A bug showed over an attempt of the run. */
  broken(runId: RunId, bug: unknown): void;
  /** Its slots are free. */
  freed(gates: readonly Gate[]): void;
}

/**
 * The attempts that this process has in flight, by run and step. Each begins once, when its start is in the log, and ends once, in one
 * of three ways: it is answered (or fails), it is interrupted, or it is cut off because the log says that it is over. What of the
 * first two came is handed on to be recorded; of what is cut off nothing is. Its slots are free the moment it ends.
 */
export class Flights {
  private readonly flights = new FlightIndex<Flight>();

  constructor(
    private readonly parts: FlightParts,
    private readonly events: FlightListener,
  ) {}

  all(): readonly Flight[] {
    return this.flights.all();
  }

  /** `mayBegin` false: its start was on its way to the log when this process was no more to make it. */
  begin({ runId, run, plan, traceparent }: Committed, { step: key, attempt }: StartedAttempt, mayBegin: boolean): void {
    const { flow, clock, entropy, tracer, wheel, exchanges } = this.parts;
    const step = run.steps.get(key);
    assert(step !== undefined && step.request !== null, `step ${key} of run ${runId} has an attempt and no request`);
    const { connectMs, answerMs } = policyOf(plan, step).timeouts;
    const at = { runId, step: key, attempt };
    const span = tracer === null ? null : attemptSpan(tracer, at, parentOf(traceparent, runId), step.request.url);
    const request = stepRequest({ runId, run, step, attempt, traceparent, span, connectMs }, entropy);
    const claim = flow.claimOf(targetOf(step.request.url), run.started);
    const flight: Flight = {
      runId,
      step: key,
      attempt,
      claim,
      epoch: flow.epoch,
      span,
      untilMs: clock.monotonicMs() + answerMs,
      exchange: null,
      connected: false,
      withheld: false,
      deadline: null,
      landed: null,
    };
    assert(this.flights.get(runId, key) === undefined, `step ${key} of run ${runId} has two attempts at once`);
    this.flights.add(flight);
    // A share of a limit may have been lost meanwhile.
    if (!mayBegin || !flow.mayBegin(claim)) return this.interrupt(flight);
    flight.deadline = wheel.after(answerMs, () => {
      flight.exchange?.abort('Stepwell.Timeout', `no whole answer within ${answerMs} ms (answerMs)`);
    });
    try {
      flight.exchange = exchanges.begin(
        request,
        () => this.reached(flight),
        (outcome) => this.concluded(flight, outcome),
      );
    } catch (bug) {
      this.events.broken(runId, bug);
      this.interrupt(flight);
    }
  }

  /** Whether it is under way and no byte of it has left. */
  isUnsent(runId: RunId, step: StepKey, attempt: number): boolean {
    const flight = this.flights.get(runId, step);
    return flight !== undefined && flight.attempt === attempt && !(flight.exchange?.sent ?? false);
  }

  /** It is over by what is being appended: if nothing of it was sent, nothing will be. */
  withhold(runId: RunId, step: StepKey, attempt: number): void {
    const flight = this.flights.get(runId, step);
    if (flight?.attempt === attempt) flight.withheld = true;
  }

  /** Ends what the log says is over. */
  cutOff(runId: RunId, attempts: readonly AttemptPlace[]): void {
    for (const { step, attempt } of attempts) {
      const flight = this.flights.get(runId, step);
      if (flight?.attempt === attempt) this.abort(flight, 'the attempt is over', true);
    }
  }

  /** Ends what the run has under way no more, as another process has recorded it. */
  cutOffAllBut(runId: RunId, run: Run): void {
    for (const flight of this.flights.ofRun(runId)) {
      const last = run.steps.get(flight.step)?.attempts.at(-1);
      if (last?.number !== flight.attempt || last.outcome !== 'running')
        this.abort(flight, 'the attempt is over', true);
    }
  }

  /** Waits for those in flight, a while, then hands them in as interrupted. */
  async land(graceMs: number): Promise<void> {
    const flights = this.all();
    let left = flights.length;
    if (left === 0) return;
    await new Promise<void>((resolve) => {
      const cancel = this.parts.clock.after(graceMs, resolve);
      for (const flight of flights) {
        flight.landed = () => {
          if (--left > 0) return;
          cancel();
          resolve();
        };
      }
    });
    for (const flight of this.all()) this.interrupt(flight);
  }

  abandon(isOurs: (runId: RunId) => boolean): void {
    for (const flight of this.all())
      if (isOurs(flight.runId)) this.abort(flight, 'the shard of the run is not owned here any more', false);
  }

  /** What goes wrong over one run is seen by no other, nor ends the process. */
  private concluded(flight: Flight, outcome: ExchangeOutcome): void {
    try {
      if (outcome === 'not-begun') this.interrupt(flight);
      else this.answered(flight, outcome);
    } catch (bug) {
      this.events.broken(flight.runId, bug);
    }
  }

  private reached(flight: Flight): boolean {
    flight.connected = true;
    this.parts.flow.reached(flight.claim, flight.epoch);
    return !flight.withheld && this.events.mayBegin(flight.runId);
  }

  private answered(flight: Flight, outcome: Exclude<ExchangeOutcome, 'not-begun'>): void {
    if (!this.end(flight)) return;
    const { flow, clock, entropy, payloadMaxBytes } = this.parts;
    const verdict =
      'answer' in outcome
        ? classifyAnswer(outcome.answer, clock.nowMs(), payloadMaxBytes)
        : classifyFault(outcome.fault);
    const { step, attempt, claim, epoch } = flight;
    this.over(flight, verdict.succeeded ? 'succeeded' : verdict.class, verdict.succeeded ? null : verdict.error.name);
    if (flight.span !== null) endAttemptSpan(flight.span, verdict);
    flow.saw(claim, verdict, epoch);
    // The slot is free before the decision, so that the step that this answer readies may take it.
    flow.release(claim, epoch);
    this.events.ended(flight, commandOf(step, attempt, verdict, entropy));
    this.events.freed(claim.gates);
  }

  private interrupt(flight: Flight): void {
    const failureClass = classOf(flight);
    if (!this.end(flight)) return;
    flight.exchange?.abort('Stepwell.ConnectionLost', 'the dispatcher stops');
    this.parts.flow.release(flight.claim, flight.epoch);
    const { step, attempt } = flight;
    this.over(flight, failureClass, 'Stepwell.Interrupted');
    flight.span?.end({ 'stepwell.outcome': failureClass }, 'Stepwell.Interrupted');
    this.events.ended(flight, { type: 'InterruptAttempt', step, attempt, class: failureClass });
    // Not only at a stop: what was withheld leaves its slot to whoever stands in line.
    this.events.freed(flight.claim.gates);
  }

  /** Nobody records what comes of it. `counted` false: whoever owns the run now says what it came to. */
  private abort(flight: Flight, why: string, counted: boolean): void {
    const failureClass = classOf(flight);
    if (!this.end(flight)) return;
    flight.exchange?.abort('Stepwell.ConnectionLost', why);
    if (counted) this.over(flight, failureClass, 'Stepwell.Abandoned');
    flight.span?.end({ 'stepwell.outcome': failureClass }, 'Stepwell.Abandoned');
    this.parts.flow.release(flight.claim, flight.epoch);
    this.events.freed(flight.claim.gates);
  }

  private over({ runId, step, attempt, claim }: Flight, attemptClass: AttemptClass, error: string | null): void {
    const target = claim.origin.id;
    this.parts.counts.count(target, attemptClass);
    this.parts.log.debug('an attempt is over', { runId, step, attempt, target, outcome: attemptClass, error });
  }

  /** False when it was over already. */
  private end(flight: Flight): boolean {
    if (!this.flights.delete(flight)) return false;
    if (flight.deadline !== null) this.parts.wheel.cancel(flight.deadline);
    if (flight.connected) this.parts.flow.leftConnection(flight.claim);
    flight.landed?.();
    return true;
  }
}

const classOf = ({ exchange }: Flight) => (exchange?.sent === true ? 'may-have-executed' : 'not-executed');
