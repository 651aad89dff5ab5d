import { Module, type DynamicModule, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { Projector, ViewStore } from '#views';

/** Keeps the views: follows the log from the start of the app to its end. */
@Module({})
export class ProjectorModule implements OnApplicationBootstrap, OnApplicationShutdown {
  constructor(
    private readonly projector: Projector,
    private readonly views: ViewStore,
  ) {}

  static with(projector: Projector, views: ViewStore): DynamicModule {
    return {
      module: ProjectorModule,
      providers: [
        { provide: Projector, useValue: projector },
        { provide: ViewStore, useValue: views },
      ],
      exports: [Projector, ViewStore],
    };
  }

  onApplicationBootstrap(): Promise<void> {
    return this.projector.start();
  }

  async onApplicationShutdown(): Promise<void> {
    await this.projector.stop();
    await this.views.stop();
  }
}
