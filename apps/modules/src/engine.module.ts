import { Global, Inject, Module, type OnApplicationShutdown } from '@nestjs/common';
import { Catalogue, engineMetrics, RunEngine, Runs } from '#engine';
import { EventStore } from '#event-store';
import { Clock, Entropy, Log, type Config } from '#runtime';
import { ProcessReport, READY } from './process-report.js';
import { CONFIG, PROCESS, type ProcessDescription } from './tokens.js';

/** Workflows and runs over the log. Where a dispatcher is in the process it owns the runs; else others see to what they are owed. */
@Global()
@Module({
  providers: [
    {
      provide: Catalogue,
      inject: [EventStore, Clock, Entropy, Log, CONFIG],
      useFactory: async (store: EventStore, clock: Clock, entropy: Entropy, log: Log, config: Config) => {
        const catalogue = new Catalogue(store, clock, entropy, log, config.limits);
        await catalogue.start();
        return catalogue;
      },
    },
    {
      provide: RunEngine,
      inject: [EventStore, Catalogue, Clock, Entropy, Log, CONFIG, PROCESS],
      useFactory: (
        store: EventStore,
        catalogue: Catalogue,
        clock: Clock,
        entropy: Entropy,
        log: Log,
        { limits }: Config,
        { alone }: ProcessDescription,
      ) => new RunEngine(store, catalogue, clock, entropy, log, { limits, sharedLog: !alone }),
    },
    { provide: Runs, useExisting: RunEngine },
  ],
  exports: [Catalogue, RunEngine, Runs],
})
export class EngineModule implements OnApplicationShutdown {
  constructor(
    private readonly catalogue: Catalogue,
    private readonly engine: RunEngine,
    @Inject(PROCESS) { alone }: ProcessDescription,
    report: ProcessReport,
  ) {
    if (alone) report.add({ readiness: { log: () => (engine.room.isFull ? FULL : READY) } });
    report.add({
      metrics: engineMetrics(engine.counts),
      state: () => ({ appends: engine.counts.appends.appended }),
    });
  }

  async onApplicationShutdown(): Promise<void> {
    await this.engine.stop();
    await this.catalogue.stop();
  }
}

const FULL = {
  status: 'degraded',
  detail: 'The disk of the event log is full: nothing is started or recorded.',
} as const;
