import { Module, type DynamicModule, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { ViewProjector, ViewStore } from '#views';

/** What a projector leans on; the main of an app makes it and hands it in. */
export type ProjectorParts = { readonly projector: ViewProjector; readonly views: ViewStore };

/** Keeps the views: follows the log from the start of the app to its end. */
@Module({})
export class ProjectorModule implements OnApplicationBootstrap, OnApplicationShutdown {
  constructor(
    private readonly projector: ViewProjector,
    private readonly views: ViewStore,
  ) {}

  static with({ projector, views }: ProjectorParts): DynamicModule {
    return {
      module: ProjectorModule,
      providers: [
        { provide: ViewProjector, useValue: projector },
        { provide: ViewStore, useValue: views },
      ],
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
