import { DEFAULT_RUN_LIMITS, type Plan, type StartRun } from '#domain';
import { NOBODY, RunEngine, type LoadedRun, type PlanSource, type StartReply } from '#engine';
import {
  EventStore,
  MemoryEventStore,
  runStream,
  type Append,
  type AppendOutcome,
  type Commit,
  type Envelope,
  type NewEvent,
  type Position,
  type ReadAllOptions,
  type RecordedEvent,
  type Revision,
  type Shard,
  type StreamName,
  type SubscribeOptions,
  type SubscriptionMessage,
} from '#event-store';
import { silentLog, systemClock, systemEntropy, type Clock, type Log } from '#runtime';
import { Dispatcher, type DispatcherOptions } from '../dispatcher.js';
import { MemoryOpenRuns, type OpenRuns } from '../open-runs/open-runs.js';
import { noneTaken, type OwnershipStatus, type ShardHolder, type ShardOwnership } from '../shards/shard-ownership.js';
import { runIdOf, startCommand } from './dispatch-world.js';

/** One process's way to the log that all share; counts what it asks, and may be held up or cut. */
export class LogClient extends EventStore {
  readonly reads: StreamName[] = [];
  /** What subscriptions gave. */
  readonly given: Commit[] = [];
  appends = 0;
  subscriptions = 0;
  /** Of the newest subscription. */
  gatherMs: () => number = () => 0;
  /** While set, nothing is delivered to subscriptions. */
  deaf: Promise<void> | null = null;
  /** While set, pages of the log come late. */
  slow: Promise<void> | null = null;
  afterAppend: ((append: Append) => Promise<void>) | null = null;
  cut = false;

  constructor(readonly log: EventStore) {
    super();
  }

  async start(): Promise<void> {}
  async stop(): Promise<void> {}

  append(append: Append, settle: (outcome: AppendOutcome) => void): void {
    if (this.cut) return queueMicrotask(() => settle({ status: 'unknown', cause: new Error('cut off') }));
    this.appends += 1;
    this.log.append(append, (outcome) => {
      if (this.afterAppend === null) settle(outcome);
      else void this.afterAppend(append).then(() => settle(outcome));
    });
  }

  readStream(stream: StreamName, options?: { from?: Revision; limit?: number }): Promise<readonly RecordedEvent[]> {
    this.reads.push(stream);
    return this.log.readStream(stream, options);
  }

  readPages(stream: StreamName, options?: { from?: Revision }): AsyncIterable<readonly RecordedEvent[]> {
    this.reads.push(stream);
    return this.log.readPages(stream, options);
  }

  async readAll(after: Position, options: ReadAllOptions): Promise<readonly Commit[]> {
    const page = await this.log.readAll(after, options);
    if (this.slow !== null) await this.slow;
    return page;
  }

  async *subscribe(after: Position, options: SubscribeOptions): AsyncGenerator<SubscriptionMessage> {
    this.subscriptions += 1;
    this.gatherMs = options.gatherMs ?? (() => 0);
    for await (const message of this.log.subscribe(after, options)) {
      if (this.deaf !== null) await this.deaf;
      if (message.type === 'commits') this.given.push(...message.commits);
      yield message;
    }
  }

  head(): Promise<Position> {
    return this.log.head();
  }

  archive(stream: StreamName, expected: Revision, stub: NewEvent, envelope: Envelope): Promise<AppendOutcome> {
    return this.log.archive(stream, expected, stub, envelope);
  }
}

/** Ownership as a test gives it. */
export class TestOwnership implements ShardOwnership {
  mayStart = true;
  holder: ShardHolder | null = null;
  private readonly held: Set<Shard>;

  constructor(first: readonly Shard[]) {
    this.held = new Set(first);
  }

  start(holder: ShardHolder): Promise<void> {
    this.holder = holder;
    if (this.held.size > 0) holder.gained([...this.held]);
    return Promise.resolve();
  }

  status(): OwnershipStatus {
    return { shards: [...this.held], mayStart: this.mayStart, dispatchers: 1, taken: noneTaken() };
  }

  async stop(): Promise<void> {
    await this.release([...this.held]);
  }

  gain(shards: readonly Shard[]): void {
    for (const shard of shards) this.held.add(shard);
    this.holder?.gained(shards);
  }

  async release(shards: readonly Shard[]): Promise<void> {
    await this.holder?.release(shards, (gone) => {
      for (const shard of gone) this.held.delete(shard);
    });
  }

  lose(shards: readonly Shard[]): void {
    for (const shard of shards) this.held.delete(shard);
    this.holder?.lost(shards);
  }
}

/** The waits of seconds that belong to ownership pass in a tenth of a second. */
export const hastyClock: Clock = {
  nowMs: () => systemClock.nowMs(),
  monotonicMs: () => systemClock.monotonicMs(),
  now: () => systemClock.now(),
  after: (ms, call) => systemClock.after(ms === 10_000 || ms === 2_000 ? 100 : ms, call),
};

const ENGINE = { limits: DEFAULT_RUN_LIMITS, sharedLog: true };

/** What a workflow-api is of: an engine without an owner. */
export class Api {
  readonly client: LogClient;
  readonly engine: RunEngine;

  constructor(
    readonly log: EventStore,
    private readonly plan: Plan,
    clock: Clock = systemClock,
  ) {
    this.client = new LogClient(log);
    this.engine = new RunEngine(this.client, plansOf(plan), clock, systemEntropy, silentLog, ENGINE);
  }

  startRun(key: string, input: unknown = 1, change: Partial<StartRun> = {}): Promise<StartReply> {
    return new Promise((settle) =>
      this.engine.start(runIdOf(key), startCommand(key, input, change), this.plan, NOBODY, settle),
    );
  }

  ended(key: string): Promise<LoadedRun | null> {
    return new Promise((resolve) => this.engine.whenEnded(runIdOf(key), resolve));
  }

  /** The run once it has ended. */
  async run(key: string, input?: unknown): Promise<LoadedRun> {
    await this.startRun(key, input);
    const loaded = await this.ended(key);
    if (loaded === null) throw new Error('no such run');
    return loaded;
  }

  status(key: string): Promise<string | undefined> {
    return this.engine.load(runIdOf(key)).then((loaded) => loaded?.run.status);
  }

  cancel(key: string) {
    return this.engine.cancel(runIdOf(key), null, NOBODY);
  }

  stop(): Promise<void> {
    return this.engine.stop();
  }
}

export type ProcessOptions = Partial<DispatcherOptions> & {
  readonly plans?: PlanSource;
  readonly clock?: Clock;
  readonly log?: Log;
  /** In the place of one that the test moves shards with. */
  readonly shared?: ShardOwnership;
};

/** What a dispatcher process is of. */
export class DispatcherProcess {
  readonly client: LogClient;
  readonly engine: RunEngine;
  readonly ownership: TestOwnership;
  readonly dispatcher: Dispatcher;

  constructor(world: SplitWorld, name: string, shards: readonly Shard[], options: ProcessOptions = {}) {
    const { plans = plansOf(world.plan), clock = hastyClock, log = silentLog, shared, ...change } = options;
    this.client = new LogClient(world.log);
    this.ownership = new TestOwnership(shards);
    this.engine = new RunEngine(this.client, plans, clock, systemEntropy, log, ENGINE);
    this.dispatcher = new Dispatcher(
      this.client,
      this.engine,
      world.openRuns,
      shared ?? this.ownership,
      clock,
      systemEntropy,
      log,
      {
        attemptsMax: 1_024,
        limits: [],
        breaker: { faults: 5, openMs: 1_000, openMaxMs: 60_000 },
        attemptsPerOriginMax: 512,
        connectionsPerOriginMax: 128,
        payloadMaxBytes: 64 * 1024,
        graceMs: 200,
        name,
        ...change,
      },
    );
  }

  /** As if killed: no byte leaves it any more, neither to the log nor to an application. */
  kill(): void {
    this.client.cut = true;
    this.ownership.lose([...Array(64).keys()] as Shard[]);
  }
}

/** Several processes on one log, in one process. */
export class SplitWorld {
  readonly openRuns: OpenRuns = new MemoryOpenRuns();
  private readonly parts: { stop(): Promise<unknown> }[] = [];

  constructor(
    readonly plan: Plan,
    readonly log: MemoryEventStore = new MemoryEventStore(),
  ) {}

  api(clock?: Clock): Api {
    const api = new Api(this.log, this.plan, clock);
    this.parts.push(api);
    return api;
  }

  async dispatcher(name: string, shards: readonly Shard[], options?: ProcessOptions): Promise<DispatcherProcess> {
    const made = new DispatcherProcess(this, name, shards, options);
    this.parts.push(made.dispatcher);
    await made.dispatcher.start();
    return made;
  }

  async typesOf(key: string): Promise<string[]> {
    return (await this.log.readStream(runStream(runIdOf(key)))).map(({ type }) => type);
  }

  async stop(): Promise<void> {
    for (const part of this.parts.splice(0)) await part.stop();
  }
}

const plansOf = (plan: Plan): PlanSource => ({ cachedPlan: () => plan, plan: () => Promise.resolve(plan) });
