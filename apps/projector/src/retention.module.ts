import { Inject, Module, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { EventStore } from '#event-store';
import { Archiver } from '#retention';
import { Clock, Entropy, Log, type Config } from '#runtime';
import type { PostgresLeaderLock } from '#views';
import { CONFIG, PROCESS, type ProcessDescription } from '../../modules/src/tokens.js';
import { retain } from './retention.js';

/** Archives finished runs where the settings say after how long. */
@Module({})
export class RetentionModule implements OnApplicationBootstrap, OnApplicationShutdown {
  #retaining: Archiver | PostgresLeaderLock | null = null;

  constructor(
    private readonly store: EventStore,
    private readonly clock: Clock,
    private readonly entropy: Entropy,
    private readonly log: Log,
    @Inject(CONFIG) private readonly config: Config,
    @Inject(PROCESS) private readonly process: ProcessDescription,
  ) {}

  onApplicationBootstrap(): void {
    this.#retaining = this.process.alone ? this.#archive() : retain(this.config, this.store, this.log);
  }

  async onApplicationShutdown(): Promise<void> {
    await this.#retaining?.stop();
  }

  #archive(): Archiver | null {
    const { ageMs, archiveDir: folder, runsPerSecond } = this.config.retention;
    if (ageMs === null) return null;
    const archiver = new Archiver(this.store, this.clock, this.entropy, this.log, { folder, ageMs, runsPerSecond });
    archiver.start();
    return archiver;
  }
}
