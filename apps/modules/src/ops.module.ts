import { Module, type OnApplicationBootstrap } from '@nestjs/common';
import { Log, MetricsPage, NodeInfo, opsListener, ProcessPort } from '#runtime';
import { ProcessReport } from './process-report.js';

/** Health, metrics and description of a process without an API. Imported last: it opens the port when all else has started. */
@Module({})
export class OpsModule implements OnApplicationBootstrap {
  constructor(
    private readonly port: ProcessPort,
    private readonly report: ProcessReport,
    private readonly metrics: MetricsPage,
    private readonly node: NodeInfo,
    private readonly log: Log,
  ) {}

  onApplicationBootstrap(): void {
    const { report, metrics, node, log } = this;
    this.port.open(opsListener({ readiness: () => report.readiness(), metrics, node, log }));
  }
}
