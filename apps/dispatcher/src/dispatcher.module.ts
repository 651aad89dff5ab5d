import {
  Module,
  type BeforeApplicationShutdown,
  type DynamicModule,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
} from '@nestjs/common';
import { hostname } from 'node:os';
import { Dispatcher, type OpenRuns } from '#dispatch';
import type { RunEngine } from '#engine';
import type { EventStore } from '#event-store';
import type { Clock, Config, Entropy, Log } from '#runtime';

/** What a dispatcher leans on; the main of an app makes it and hands it in. */
export type DispatcherParts = {
  readonly store: EventStore;
  readonly engine: RunEngine;
  readonly openRuns: OpenRuns;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly log: Log;
  readonly config: Pick<Config, 'dispatch' | 'limits' | 'shutdown'>;
};

/** Performs what runs are owed: takes them over before the server listens, lets go of them after it has closed. */
@Module({})
export class DispatcherModule implements OnApplicationBootstrap, BeforeApplicationShutdown, OnApplicationShutdown {
  constructor(private readonly dispatcher: Dispatcher) {}

  static with({ store, engine, openRuns, clock, entropy, log, config }: DispatcherParts): DynamicModule {
    const options = {
      ...config.dispatch,
      name: `${hostname()}-${process.pid}`,
      payloadMaxBytes: config.limits.payloadMaxBytes,
      graceMs: config.shutdown.graceMs,
    };
    const useFactory = () => new Dispatcher(store, engine, openRuns, clock, entropy, log, options);
    return { module: DispatcherModule, providers: [{ provide: Dispatcher, useFactory }], exports: [Dispatcher] };
  }

  onApplicationBootstrap(): Promise<void> {
    return this.dispatcher.start();
  }

  /** The API still answers while attempts in flight end. */
  beforeApplicationShutdown(): Promise<void> {
    return this.dispatcher.drain();
  }

  onApplicationShutdown(): Promise<void> {
    return this.dispatcher.stop();
  }
}
