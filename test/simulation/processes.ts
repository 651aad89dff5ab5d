import { shardOf } from '#event-store';
import { Dispatcher, PostgresShardOwnership, type OpenRuns } from '#dispatch';
import { DEFAULT_RUN_LIMITS, type Plan } from '#domain';
import {
  NOBODY,
  RunEngine,
  type LoadedRun,
  type PlanSource,
  type StartReply,
  type CancelReply,
  type RunId,
} from '#engine';
import { startCommand } from '../../libs/dispatch/src/testing/dispatch-world.js';
import type { SimulatedApplication } from './application.js';
import type { Ledger } from './ledger.js';
import { ProcessOpenRuns } from './process-open-runs.js';
import { ProcessLog } from './process-log.js';
import { slotsOf } from './seeded.js';
import { tablesOf, type ShardTable } from './shard-table.js';
import { SimulatedProcess, type Surroundings } from './simulated-process.js';
import type { TroubledLog } from './troubled-log.js';
import { Wire } from './wire.js';
import type { Witness } from './witness.js';

/** What processes find when they start. */
export type World = Surroundings & {
  readonly plan: Plan;
  readonly log: TroubledLog;
  readonly ledger: Ledger;
  readonly witness: Witness;
  readonly application: SimulatedApplication;
  readonly openRuns: OpenRuns;
  readonly table: ShardTable;
  /** Requests to the application go over sockets. */
  readonly hasSockets: boolean;
};

const ENGINE = { limits: DEFAULT_RUN_LIMITS, sharedLog: true };
const WIRE_MS = 5;

const plansOf = (plan: Plan): PlanSource => ({ cachedPlan: () => plan, plan: () => Promise.resolve(plan) });

const engineOf = (world: World, process: SimulatedProcess): RunEngine => {
  const { clock, entropy, log } = process;
  return new RunEngine(new ProcessLog(world.log, process), plansOf(world.plan), clock, entropy, log, ENGINE);
};

/** A workflow-api: an engine without an owner. What is asked of it comes over a wire, and may never be answered. */
export class ApiProcess {
  readonly process: SimulatedProcess;
  readonly engine: RunEngine;

  constructor(
    readonly world: World,
    name: string,
  ) {
    this.process = new SimulatedProcess(name, world);
    this.engine = engineOf(world, this.process);
  }

  /** Replies are judged as they leave. */
  start(runId: RunId, key: string, input: unknown, answered: (status: StartReply['status']) => void): void {
    const { witness, plan } = this.world;
    const asked = witness.ask(runId);
    const command = startCommand(key, input, {});
    this.enter(() =>
      this.engine.start(runId, command, plan, NOBODY, (reply) => {
        witness.started(asked, command.fingerprint, reply);
        this.answer(() => answered(reply.status));
      }),
    );
  }

  cancel(runId: RunId, answered: (status: CancelReply['status']) => void): void {
    const { witness } = this.world;
    const asked = witness.ask(runId);
    this.enter(() => {
      void this.engine.cancel(runId, null, NOBODY).then((reply) => {
        witness.cancelled(asked, reply);
        this.answer(() => answered(reply.status));
      });
    });
  }

  /** A read that fails says nothing: `unavailable`. */
  load(runId: RunId, answered: (status: string) => void): void {
    const { witness } = this.world;
    const asked = witness.ask(runId);
    const answer = (loaded: LoadedRun | null): void => {
      witness.loaded(asked, loaded);
      const status = loaded?.run.status ?? 'unknown';
      this.answer(() => answered(status));
    };
    this.enter(() => {
      void this.engine.load(runId).then(answer, () => this.answer(() => answered('unavailable')));
    });
  }

  awaitEnd(runId: RunId, answered: () => void): void {
    const { witness } = this.world;
    const asked = witness.ask(runId);
    this.enter(() => {
      this.engine.whenEnded(runId, (loaded) => {
        witness.ended(asked, loaded);
        this.answer(answered);
      });
    });
  }

  private enter(call: () => void): void {
    this.process.enterAfter(this.process.delayMs(WIRE_MS), call);
  }

  private answer(call: () => void): void {
    this.world.time.after(this.process.delayMs(WIRE_MS), call);
  }
}

/** A dispatcher, which shares the shards with others as the table says. */
export class DispatcherProcess {
  readonly process: SimulatedProcess;
  readonly engine: RunEngine;
  readonly dispatcher: Dispatcher;

  constructor(world: World, name: string) {
    this.process = new SimulatedProcess(name, world);
    const { process } = this;
    const { clock, entropy, log } = process;
    this.engine = engineOf(world, process);
    const ownership = new PostgresShardOwnership(clock, entropy, log, {
      connectionString: '',
      name,
      tablesOf: tablesOf(world.table, process),
    });
    const sending = (runId: RunId): void =>
      world.witness.send(runId, name, world.table.ownerAt(shardOf(runId), world.time.nowMs()));
    const slots = slotsOf(world.seed);
    this.dispatcher = new Dispatcher(
      new ProcessLog(world.log, process),
      this.engine,
      new ProcessOpenRuns(world.openRuns, world.table, process),
      ownership,
      clock,
      entropy,
      log,
      {
        attemptsMax: slots,
        limits: [],
        breaker: { faults: 5, openMs: 1_000, openMaxMs: 5_000 },
        attemptsPerOriginMax: slots,
        connectionsPerOriginMax: 128,
        payloadMaxBytes: 64 * 1024,
        graceMs: 2_000,
        name,
        ...(!world.hasSockets && { exchanges: new Wire(process, world.application, sending) }),
      },
    );
  }
}
