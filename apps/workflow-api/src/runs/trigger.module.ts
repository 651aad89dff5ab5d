import { Inject, Module, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { Runs } from '#engine';
import { createKafkaTrigger, triggerMetrics, type KafkaTrigger } from '#relay';
import { Clock, Entropy, Log, type Config } from '#runtime';
import { ProcessReport } from '../../../modules/src/process-report.js';
import { CONFIG } from '../../../modules/src/tokens.js';
import { bodyMaxBytes } from '../http/api-adapter.js';
import { CataloguePlans } from '../workflows/catalogue-plans.js';
import { WorkflowsModule } from '../workflows/workflows.module.js';
import { TriggeredRunStarts } from './triggered-run-starts.js';

const TRIGGER = Symbol('trigger');

/** Starts runs for the messages of a topic where the settings name one: from when all has started until the stop begins. */
@Module({
  imports: [WorkflowsModule],
  providers: [
    {
      provide: TRIGGER,
      inject: [Runs, CataloguePlans, Clock, Entropy, Log, CONFIG],
      useFactory: (
        runs: Runs,
        plans: CataloguePlans,
        clock: Clock,
        entropy: Entropy,
        log: Log,
        { limits, kafka }: Config,
      ): KafkaTrigger | null => {
        const starts = new TriggeredRunStarts({ runs, plans, log, limits }, bodyMaxBytes(limits));
        return createKafkaTrigger(starts, clock, entropy, log, kafka);
      },
    },
  ],
})
export class TriggerModule implements OnApplicationBootstrap, OnModuleDestroy {
  constructor(
    @Inject(TRIGGER) private readonly trigger: KafkaTrigger | null,
    report: ProcessReport,
  ) {
    report.add({
      metrics: triggerMetrics(trigger),
      state: () => ({ trigger: trigger === null ? null : { ...trigger.state, lag: trigger.lag } }),
    });
  }

  onApplicationBootstrap(): void {
    this.trigger?.start();
  }

  async onModuleDestroy(): Promise<void> {
    await this.trigger?.stop();
  }
}
