import { Inject, Module } from '@nestjs/common';
import { EventStore } from '#event-store';
import { notReady, ProcessReport, READY } from '../../../modules/src/process-report.js';
import { PROCESS, type ProcessDescription } from '../../../modules/src/tokens.js';
import { HttpModule } from '../http/http.module.js';
import { HealthController } from './health.controller.js';
import { MetricsController } from './metrics.controller.js';
import { NodeController } from './node.controller.js';

/** The process itself: health, metrics, what it is. */
@Module({
  imports: [HttpModule],
  controllers: [NodeController, HealthController, MetricsController],
})
export class NodeModule {
  constructor(store: EventStore, @Inject(PROCESS) { alone }: ProcessDescription, report: ProcessReport) {
    // A log of its own that fails ends the process.
    if (!alone) report.add({ readiness: { log: () => logReadiness(store) } });
  }
}

const logReadiness = async (store: EventStore) => {
  try {
    await store.head();
    return READY;
  } catch (error) {
    return notReady(`The log cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
};
