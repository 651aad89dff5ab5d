import { Module, type DynamicModule, type OnModuleDestroy } from '@nestjs/common';
import { DispatcherModule } from '../../dispatcher/src/dispatcher.module.js';
import { EngineModule } from '../../modules/src/engine.module.js';
import { EventStoreModule } from '../../modules/src/event-store.module.js';
import { ProcessModule, type ProcessParts } from '../../modules/src/process.module.js';
import { ProcessReport } from '../../modules/src/process-report.js';
import { ViewsModule } from '../../modules/src/views.module.js';
import { ProjectorModule } from '../../projector/src/projector.module.js';
import { RelayModule } from '../../projector/src/relay.module.js';
import { RetentionModule } from '../../projector/src/retention.module.js';
import { TriggerModule, WorkflowApiModule } from '../../workflow-api/src/workflow-api.module.js';

/**
 * The three apps in one process: the same modules, on one engine. Modules start in this order, and stop in the other:
 * what triggers runs comes after what performs them.
 */
@Module({})
export class StandaloneModule implements OnModuleDestroy {
  constructor(private readonly report: ProcessReport) {}

  static with(parts: Omit<ProcessParts, 'process'>): DynamicModule {
    const process = { name: 'standalone', roles: ['workflow-api', 'dispatcher', 'projector'], alone: true } as const;
    return {
      module: StandaloneModule,
      imports: [
        ProcessModule.with({ ...parts, process }),
        EventStoreModule,
        EngineModule,
        ViewsModule,
        ProjectorModule,
        DispatcherModule,
        WorkflowApiModule,
        RelayModule,
        RetentionModule,
        TriggerModule,
      ],
    };
  }

  onModuleDestroy(): void {
    this.report.leave();
  }
}
