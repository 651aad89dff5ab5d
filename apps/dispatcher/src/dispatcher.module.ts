import {
  Module,
  type BeforeApplicationShutdown,
  type DynamicModule,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
} from '@nestjs/common';
import { Dispatcher } from '#dispatch';

/** What the app leans on; its main makes it and hands it in. */
export type DispatcherParts = { readonly dispatcher: Dispatcher };

/** Performs what runs are owed: takes them over before the server listens, lets go of them after it has closed. */
@Module({})
export class DispatcherModule implements OnApplicationBootstrap, BeforeApplicationShutdown, OnApplicationShutdown {
  constructor(private readonly dispatcher: Dispatcher) {}

  static with({ dispatcher }: DispatcherParts): DynamicModule {
    return { module: DispatcherModule, providers: [{ provide: Dispatcher, useValue: dispatcher }] };
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
