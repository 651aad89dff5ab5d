import { Module, type DynamicModule, type OnModuleDestroy } from '@nestjs/common';
import { EngineModule } from '../../modules/src/engine.module.js';
import { EventStoreModule } from '../../modules/src/event-store.module.js';
import { ProcessModule, type ProcessParts } from '../../modules/src/process.module.js';
import { ProcessReport } from '../../modules/src/process-report.js';
import { ViewsModule } from '../../modules/src/views.module.js';
import { TriggerModule, WorkflowApiModule } from './workflow-api.module.js';

/** The API as one of several processes on the same stores. Modules start in this order, and stop in the other. */
@Module({})
export class AppModule implements OnModuleDestroy {
  constructor(private readonly report: ProcessReport) {}

  static with(parts: Omit<ProcessParts, 'process'>): DynamicModule {
    const process = { name: 'workflow-api', roles: ['workflow-api'], alone: false } as const;
    return {
      module: AppModule,
      imports: [
        ProcessModule.with({ ...parts, process }),
        EventStoreModule,
        EngineModule,
        ViewsModule,
        WorkflowApiModule,
        TriggerModule,
      ],
    };
  }

  onModuleDestroy(): void {
    this.report.leave();
  }
}
