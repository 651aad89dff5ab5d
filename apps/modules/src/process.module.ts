import { Global, Inject, Module, type DynamicModule, type OnApplicationShutdown } from '@nestjs/common';
import type { Server } from 'node:http';
import { SHARDS } from '#event-store';
import {
  Clock,
  Entropy,
  Log,
  MetricsPage,
  nodeInfo,
  NodeInfo,
  openTracer,
  opsListener,
  ProcessPort,
  readinessOf,
  systemClock,
  systemEntropy,
  type Config,
  type Tracer,
} from '#runtime';
import { ProcessReport } from './process-report.js';
import { StartProgress } from './start-progress.js';
import { CONFIG, PROCESS, TRACER, type ProcessDescription } from './tokens.js';

export type ProcessParts = {
  readonly process: ProcessDescription;
  readonly config: Config;
  readonly log: Log;
  /** What is to listen on the port of the process. */
  readonly server: Server;
};

/** What every part of a process may ask for: settings, log, clock, chance, tracer, its port and its report. */
@Global()
@Module({})
export class ProcessModule implements OnApplicationShutdown {
  constructor(
    @Inject(TRACER) private readonly tracer: Tracer | null,
    private readonly port: ProcessPort,
    private readonly log: Log,
  ) {}

  static with({ process, config, log, server }: ProcessParts): DynamicModule {
    const providers = [
      { provide: CONFIG, useValue: config },
      { provide: PROCESS, useValue: process },
      { provide: Log, useValue: log },
      { provide: Clock, useValue: systemClock },
      { provide: Entropy, useValue: systemEntropy },
      { provide: TRACER, useFactory: () => openTracer(config.traces.otlpUrl, `stepwell-${process.name}`, log) },
      ProcessReport,
      StartProgress,
      {
        provide: MetricsPage,
        inject: [ProcessReport],
        useFactory: ({ metrics }: ProcessReport) => new MetricsPage(metrics),
      },
      {
        provide: NodeInfo,
        inject: [ProcessReport],
        useFactory: (report: ProcessReport) =>
          nodeInfo(config, {
            roles: process.roles,
            versions: () => ({ eventStoreServer: null, viewsSchema: null, ...report.versions() }),
            state: () => ({ shards: NO_SHARDS, ...report.state() }),
          }),
      },
      {
        provide: ProcessPort,
        inject: [StartProgress, NodeInfo],
        useFactory: async (progress: StartProgress, node: NodeInfo) => {
          const port = new ProcessPort(server, config.http);
          const readiness = async () => readinessOf({ process: { status: 'not-ready', detail: progress.detail } });
          // A page of its own: what is on a page is settled when somebody first looks, and there is little yet.
          const metrics = new MetricsPage({});
          await port.bind(opsListener({ readiness, metrics, node, log, starting: true }));
          return port;
        },
      },
    ];
    return {
      module: ProcessModule,
      providers,
      exports: providers.map((each) => ('provide' in each ? each.provide : each)),
    };
  }

  /** After all others: the module is global. */
  async onApplicationShutdown(): Promise<void> {
    await this.port.stop();
    await this.tracer?.stop();
    this.log.info('stopped');
  }
}

const NO_SHARDS = { owned: 0, acting: 0, of: SHARDS };
