import { Inject, Module, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { join } from 'node:path';
import { EventStore } from '#event-store';
import {
  createKafkaRelay,
  FileRelayCheckpoint,
  MemoryRelayCheckpoint,
  PostgresRelayCheckpoint,
  relayMetrics,
  type Relay,
  type RelayCheckpoint,
} from '#relay';
import { aborted, Clock, Entropy, Log, type Config } from '#runtime';
import { PostgresLeaderLock } from '#views';
import { ProcessReport } from '../../modules/src/process-report.js';
import { CONFIG, PROCESS, type ProcessDescription } from '../../modules/src/tokens.js';
import { leaderLock } from './leader-lock.js';

const RELAY = Symbol('relay');

/** Publishes events to Kafka where the settings name a broker; of several processes one does, and another takes over when it is gone. */
@Module({
  providers: [
    {
      provide: RELAY,
      inject: [EventStore, Clock, Entropy, Log, CONFIG, PROCESS],
      useFactory: (
        store: EventStore,
        clock: Clock,
        entropy: Entropy,
        log: Log,
        config: Config,
        { alone }: ProcessDescription,
      ): Relay | null => createKafkaRelay(store, checkpointOf(config, alone), clock, entropy, log, config.kafka),
    },
  ],
})
export class RelayModule implements OnApplicationBootstrap, OnApplicationShutdown {
  readonly #lock: PostgresLeaderLock | null;

  constructor(
    @Inject(RELAY) private readonly relay: Relay | null,
    @Inject(PROCESS) { alone }: ProcessDescription,
    @Inject(CONFIG) config: Config,
    log: Log,
    report: ProcessReport,
  ) {
    this.#lock = relay === null || alone ? null : leaderLock(config, 'relay', log);
    report.add({
      metrics: relayMetrics(relay),
      state: () => ({ relay: relay === null ? null : { leads: relay.leads, ...relay.state, lag: relay.lag } }),
    });
  }

  onApplicationBootstrap(): void {
    const { relay } = this;
    if (this.#lock === null) return relay?.start();
    this.#lock.start(async ({ signal }) => {
      relay!.start();
      await aborted(signal);
      await relay!.stop();
    });
  }

  async onApplicationShutdown(): Promise<void> {
    await this.#lock?.stop();
    await this.relay?.stop();
  }
}

const checkpointOf = ({ eventStore, dataDir, kafka, views }: Config, alone: boolean): RelayCheckpoint => {
  if (!alone) return new PostgresRelayCheckpoint(kafka.topic, { connectionString: views.url! });
  return eventStore === 'memory'
    ? new MemoryRelayCheckpoint()
    : new FileRelayCheckpoint(join(dataDir, 'relay-checkpoint.json'));
};
