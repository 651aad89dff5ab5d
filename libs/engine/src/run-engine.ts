import { ANY, type Plan, type RunCommand, type RunLimits, type StartRun, type StepKey } from '#domain';
import type { EventStore } from '#event-store';
import { takesLonger, type Clock, type Entropy, type Log, type LogFields } from '#runtime';
import { Coalescer } from './coalescer.js';
import { DuplicateStarts } from './duplicate-starts.js';
import { EndWaiters } from './end-waiters.js';
import { EngineCounts } from './engine-counts.js';
import type { EngineParts } from './engine-parts.js';
import { loadedOf, type PlanSource } from './load-run.js';
import { LogAppends } from './log-appends.js';
import type { Evaluator } from './evaluator.js';
import { LogRoom } from './log-room.js';
import { Mailbox } from './mailbox.js';
import type { Owner } from './owner.js';
import { ParkedRuns } from './parked-runs.js';
import { ANSWER_WITHIN_MS, isWanted, Patience, STOP_WITHIN_MS } from './patience.js';
import { startReplyOf, type CommandResult, type QueuedCommand } from './queued-command.js';
import {
  NOBODY,
  Runs,
  type CancelReply,
  type EndCall,
  type LoadedRun,
  type Origin,
  type ParkedRun,
  type RunId,
  type StartReply,
} from './runs.js';
import { RunTable } from './run-table.js';
import { SharedLog } from './several-writers.js';
import { UnderWay } from './under-way.js';
import { waitsOf } from './waits.js';

export type EngineOptions = {
  readonly limits: RunLimits;
  /** Other processes append to the same runs: what is in memory is never taken for current. */
  readonly sharedLog?: boolean;
};

const NAMED_MAX = 10;

/** What is asked of runs and told to them: finds the mailbox of the run, and leaves all else to that. */
export class RunEngine extends Runs {
  readonly counts = new EngineCounts();
  readonly room: LogRoom;
  /** `null` where this process alone appends to runs. */
  readonly shared: SharedLog | null;
  readonly waitsOf: Runs['waitsOf'] = (runId, run) => waitsOf(runId, run, this.parts.owner, this.clock.nowMs());
  private readonly runs: RunTable;
  private readonly parts: EngineParts;
  private readonly patience: Patience;
  private readonly duplicates: DuplicateStarts;
  private stopping: Promise<void> | null = null;

  constructor(
    store: EventStore,
    plans: PlanSource,
    private readonly clock: Clock,
    entropy: Entropy,
    private readonly log: Log,
    { limits, sharedLog = false }: EngineOptions,
  ) {
    super();
    const { counts } = this;
    const runs = new RunTable((runId) => new Mailbox(runId, this.parts));
    const endWaiters = new EndWaiters(clock, log, {
      look: (runId) => this.lookAtEnd(runId),
      left: (count) => this.shared?.waitNoMore(count),
    });
    this.runs = runs;
    const parked = new ParkedRuns(clock, log);
    counts.runsParked = () => parked.size;
    this.room = new LogRoom(clock, log);
    this.parts = {
      ...{ store, plans, clock, entropy, log, limits, counts, room: this.room, runs, parked, endWaiters },
      isShared: sharedLog,
      appends: new LogAppends(store, clock, entropy, log, counts, {
        isWanted: (deciding) => isWanted(deciding, clock.monotonicMs()),
        settled: (deciding, outcome) => deciding.mailbox.appended(deciding, outcome),
      }),
      coalescer: new Coalescer(clock),
      underWay: new UnderWay(),
      owner: null,
      evaluator: null,
      isAbandoned: false,
    };
    this.shared = sharedLog ? new SharedLog(this, runs, parked, store, clock, log) : null;
    this.patience = new Patience(clock, log, runs, () => this.parts.appends.sift());
    this.duplicates = new DuplicateStarts(clock, counts, {
      write: (runId, command, done) => this.submit(runId, command, this.origin, done),
      isClosed: ({ run }) => run.archived !== null || run.revision + 1 >= limits.eventsMax,
    });
  }

  /** From now on attempts are started here, under this owner's grants. */
  ownedBy(owner: Owner): void {
    this.parts.owner = owner;
  }

  /** From now on what moves need is evaluated here, in the runs that the owner has. */
  evaluateBy(evaluator: Evaluator): void {
    this.parts.evaluator = evaluator;
  }

  /** Who decides what nobody else has asked for. */
  get origin(): Origin {
    return this.parts.owner?.origin ?? NOBODY;
  }

  start(
    runId: RunId,
    command: StartRun,
    plan: Plan,
    origin: Origin,
    settle: (reply: StartReply) => void,
    isAwaited = false,
  ): void {
    const mailbox = this.runs.of(runId);
    // Nobody here knows this run: it is decided as if it were new, without a read. Not so a start from a step, which may be
    // unknown to the plan of today though the run once began there.
    if (mailbox.phase === 'unread' && isAwaited) mailbox.facts = [];
    if (mailbox.phase === 'unread' && command.fromStep === null) mailbox.presumeNew(origin.traceparent);
    mailbox.send({
      command,
      plan,
      origin,
      answerByMs: this.patience.begin(ANSWER_WITHIN_MS),
      done: (result) => settle(this.duplicates.answered(runId, startReplyOf(result))),
    });
  }

  cancel(runId: RunId, reason: string | null, origin: Origin, precondition = ANY): Promise<CancelReply> {
    const mailbox = this.runs.of(runId);
    return new Promise((settle) => {
      const done = (result: CommandResult): void => {
        if (result.status !== 'accepted') return settle(result);
        mailbox.show();
        settle({ status: 'cancelled', loaded: result.loaded });
      };
      const answerByMs = this.patience.begin(ANSWER_WITHIN_MS);
      mailbox.send({ command: { type: 'CancelRun', reason, precondition }, plan: null, origin, answerByMs, done });
    });
  }

  /** Hands a command to its run. `done` is called after the commit of what it led to, however long that takes. */
  submit(runId: RunId, command: RunCommand, origin: Origin, done: QueuedCommand['done']): void {
    this.runs.of(runId).send({ command, plan: null, origin, answerByMs: Infinity, done });
  }

  load(runId: RunId, withinMs = ANSWER_WITHIN_MS): Promise<LoadedRun | null> {
    const mailbox = this.runs.of(runId);
    return new Promise((resolve, reject) => {
      const call = (fault: Error | null): void => {
        if (fault !== null) return reject(fault);
        mailbox.show();
        resolve(loadedOf(mailbox));
      };
      mailbox.ask({ call, answerByMs: this.patience.begin(withinMs) });
    });
  }

  /** The owner has met a bug over a run: nothing is done for that one any more. */
  park(runId: RunId, bug: unknown): void {
    this.runs.of(runId).park(bug);
  }

  parked(runId: RunId): ParkedRun | null {
    return this.parts.parked.get(runId);
  }

  whenEnded(runId: RunId, call: EndCall): () => void {
    return this.awaitEnd(runId, null, call);
  }

  whenStepEnded(runId: RunId, step: StepKey, call: EndCall): () => void {
    return this.awaitEnd(runId, step, call);
  }

  private awaitEnd(runId: RunId, step: StepKey | null, call: EndCall): () => void {
    const mailbox = this.runs.of(runId);
    mailbox.awaitingEnd.add(call, step);
    if (this.shared !== null) this.shared.awaitEnd(mailbox);
    else mailbox.lookAtEnd();
    // Not always where it was asked: who waits is moved when the run cannot be read.
    return () => this.runs.get(runId)?.stopAwaitingEnd(call);
  }

  private lookAtEnd(runId: RunId): void {
    const mailbox = this.runs.get(runId);
    if (mailbox === undefined || mailbox.awaitingEnd.size === 0) return;
    if (this.shared !== null) this.shared.awaitEndAgain(mailbox);
    else mailbox.lookAtEnd();
  }

  /** Whether work on the run is under way here. */
  isActive(runId: RunId): boolean {
    return this.runs.get(runId)?.hasWork ?? false;
  }

  /** How many runs are in memory. */
  get size(): number {
    return this.runs.size;
  }

  /** Resolves when all is recorded, or after that time, with what is left said. Submit nothing after it. Idempotent. */
  stop(withinMs = STOP_WITHIN_MS): Promise<void> {
    return (this.stopping ??= this.settleAll(withinMs));
  }

  private async settleAll(withinMs: number): Promise<void> {
    const { coalescer, endWaiters, appends, underWay } = this.parts;
    coalescer.stop();
    endWaiters.stop();
    appends.stop();
    const settled = this.duplicates.stop().then(() => underWay.none());
    const isLate = await takesLonger(this.clock, withinMs, settled);
    this.parts.isAbandoned = isLate;
    this.patience.stop();
    appends.trouble.stop();
    if (isLate) this.log.warn('the engine stops before all is recorded', leftIn(this.runs.values()));
    await this.shared?.stop();
  }
}

/** Of which runs something is left to be recorded, and how much. */
const leftIn = (mailboxes: readonly Mailbox[]): LogFields => {
  const left = mailboxes.filter(({ queue, isBusy }) => queue.length > 0 || isBusy);
  return {
    runs: left.length,
    appends: left.filter(({ deciding }) => deciding !== null).length,
    commands: left.reduce((count, { queue }) => count + queue.length, 0),
    named: left.slice(0, NAMED_MAX).map(({ runId }) => runId),
  };
};
