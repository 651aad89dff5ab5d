import { Inject, Module, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import type { Config } from '#runtime';
import { ViewProjector, viewMetrics, viewsSchemaVersion, type Views } from '#views';
import { ProcessReport } from '../../modules/src/process-report.js';
import { CONFIG } from '../../modules/src/tokens.js';
import { VIEWS } from '../../modules/src/views.module.js';

/** Keeps the views: follows the log from the start of the app to its end. */
@Module({})
export class ProjectorModule implements OnApplicationBootstrap, OnApplicationShutdown {
  constructor(
    private readonly projector: ViewProjector,
    @Inject(VIEWS) { store }: Views,
    @Inject(CONFIG) config: Config,
    report: ProcessReport,
  ) {
    report.add({
      metrics: viewMetrics(projector, store),
      state: () => ({ leads: projector.leads, lag: projector.leads ? projector.lag : null }),
      versions: () => ({ viewsSchema: viewsSchemaVersion(config) }),
    });
  }

  onApplicationBootstrap(): Promise<void> {
    return this.projector.start();
  }

  onApplicationShutdown(): Promise<void> {
    return this.projector.stop();
  }
}
