import { Module, type DynamicModule, type OnModuleDestroy } from '@nestjs/common';
import { EngineModule } from '../../modules/src/engine.module.js';
import { EventStoreModule } from '../../modules/src/event-store.module.js';
import { OpsModule } from '../../modules/src/ops.module.js';
import { ProcessModule, type ProcessParts } from '../../modules/src/process.module.js';
import { ProcessReport } from '../../modules/src/process-report.js';
import { DispatcherModule } from './dispatcher.module.js';

/** A dispatcher as one of several: it owns its share of the shards and sees to their runs. Modules start in this order, and stop in the other. */
@Module({})
export class AppModule implements OnModuleDestroy {
  constructor(private readonly report: ProcessReport) {}

  static with(parts: Omit<ProcessParts, 'process'>): DynamicModule {
    const process = { name: 'dispatcher', roles: ['dispatcher'], alone: false } as const;
    return {
      module: AppModule,
      imports: [ProcessModule.with({ ...parts, process }), EventStoreModule, EngineModule, DispatcherModule, OpsModule],
    };
  }

  onModuleDestroy(): void {
    this.report.leave();
  }
}
