import { Global, Module, type OnApplicationShutdown } from '@nestjs/common';
import { mkdirSync } from 'node:fs';
import { EventStore, openEventStore, serverVersionOf } from '#event-store';
import { Clock, Log, openStores, ProcessPort, type Config } from '#runtime';
import { ProcessReport } from './process-report.js';
import { StartProgress } from './start-progress.js';
import { CONFIG } from './tokens.js';

/** The log, opened once the port is this process's, and closed after all that lean on it. */
@Global()
@Module({
  providers: [
    {
      provide: EventStore,
      inject: [CONFIG, Clock, Log, StartProgress, ProcessPort],
      useFactory: async (config: Config, clock: Clock, log: Log, progress: StartProgress): Promise<EventStore> => {
        if (config.eventStore !== 'eventstoredb') mkdirSync(config.dataDir, { recursive: true });
        const store = openEventStore(config, clock, log);
        await openStores(store, config, log, (name) => progress.waitFor(name));
        return store;
      },
    },
  ],
  exports: [EventStore],
})
export class EventStoreModule implements OnApplicationShutdown {
  constructor(
    private readonly store: EventStore,
    report: ProcessReport,
  ) {
    report.add({ versions: () => ({ eventStoreServer: serverVersionOf(store) }) });
  }

  onApplicationShutdown(): Promise<void> {
    return this.store.stop();
  }
}
