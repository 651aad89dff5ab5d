import { Module, type DynamicModule, type OnModuleDestroy } from '@nestjs/common';
import { EventStoreModule } from '../../modules/src/event-store.module.js';
import { OpsModule } from '../../modules/src/ops.module.js';
import { ProcessModule, type ProcessParts } from '../../modules/src/process.module.js';
import { ProcessReport } from '../../modules/src/process-report.js';
import { ViewsModule } from '../../modules/src/views.module.js';
import { ProjectorModule } from './projector.module.js';
import { RelayModule } from './relay.module.js';
import { RetentionModule } from './retention.module.js';

/** A projector as one of several: it writes the views, or stands by until the one that does is gone. Modules start in this order, and stop in the other. */
@Module({})
export class AppModule implements OnModuleDestroy {
  constructor(private readonly report: ProcessReport) {}

  static with(parts: Omit<ProcessParts, 'process'>): DynamicModule {
    const process = { name: 'projector', roles: ['projector'], alone: false } as const;
    return {
      module: AppModule,
      imports: [
        ProcessModule.with({ ...parts, process }),
        EventStoreModule,
        ViewsModule,
        ProjectorModule,
        RelayModule,
        RetentionModule,
        OpsModule,
      ],
    };
  }

  onModuleDestroy(): void {
    this.report.leave();
  }
}
