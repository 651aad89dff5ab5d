import {
  Inject,
  Module,
  type BeforeApplicationShutdown,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
} from '@nestjs/common';
import { Dispatcher, dispatcherMetrics, dispatcherState } from '#dispatch';
import { RunEngine } from '#engine';
import { EventStore } from '#event-store';
import { Clock, Entropy, Log, type Config, type Tracer } from '#runtime';
import { ProcessReport } from '../../modules/src/process-report.js';
import { CONFIG, PROCESS, TRACER, type ProcessDescription } from '../../modules/src/tokens.js';
import { allShards, dispatcherName, sharedShards, shardsReadiness, type Shards } from './shards.js';

const SHARDS = Symbol('shards');

/** Performs what runs are owed: takes them over before the server listens, lets go of them after it has closed. */
@Module({
  providers: [
    {
      provide: SHARDS,
      inject: [CONFIG, PROCESS, Clock, Entropy, Log],
      useFactory: (config: Config, { alone }: ProcessDescription, clock: Clock, entropy: Entropy, log: Log): Shards =>
        alone ? allShards(config) : sharedShards(config, clock, entropy, log),
    },
    {
      provide: Dispatcher,
      inject: [EventStore, RunEngine, SHARDS, Clock, Entropy, Log, CONFIG, TRACER],
      useFactory: (
        store: EventStore,
        engine: RunEngine,
        { openRuns, ownership, shares }: Shards,
        clock: Clock,
        entropy: Entropy,
        log: Log,
        { dispatch, limits, shutdown }: Config,
        tracer: Tracer | null,
      ) => {
        const { payloadMaxBytes } = limits;
        const options = { ...dispatch, name: dispatcherName(), payloadMaxBytes, graceMs: shutdown.graceMs, tracer };
        return new Dispatcher(store, engine, openRuns, ownership, clock, entropy, log, options, shares);
      },
    },
  ],
})
export class DispatcherModule implements OnApplicationBootstrap, BeforeApplicationShutdown, OnApplicationShutdown {
  constructor(
    private readonly dispatcher: Dispatcher,
    private readonly log: Log,
    @Inject(SHARDS) { openRuns, ownership }: Shards,
    @Inject(CONFIG) private readonly config: Config,
    report: ProcessReport,
  ) {
    report.add({
      readiness: shardsReadiness(dispatcher, ownership),
      metrics: dispatcherMetrics(dispatcher, openRuns, ownership),
      state: () => dispatcherState(dispatcher, ownership),
    });
  }

  onApplicationBootstrap(): Promise<void> {
    return this.dispatcher.start();
  }

  /** The API still answers while attempts in flight end. */
  beforeApplicationShutdown(): Promise<void> {
    this.log.info('stopping: attempts in flight get a grace period', { graceMs: this.config.shutdown.graceMs });
    return this.dispatcher.drain();
  }

  onApplicationShutdown(): Promise<void> {
    return this.dispatcher.stop();
  }
}
