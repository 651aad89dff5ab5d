import { Module, type DynamicModule } from '@nestjs/common';
import { APP_FILTER, APP_PIPE } from '@nestjs/core';
import { createKafkaTrigger, type KafkaTrigger } from '#relay';
import { MetricsPage, NodeInfo, systemEntropy, type Config } from '#runtime';
import { CONTROLLERS } from './controllers.js';
import { createOpenApiDocument } from './docs/openapi-document.js';
import { OpenApiText } from './docs/openapi-text.js';
import { createFastifyAdapter, ENVELOPE_MAX_BYTES, type HttpAdapter } from './http/fastify-adapter.js';
import { ProblemFilter } from './http/problem.filter.js';
import { StrictPipe } from './http/strict.pipe.js';
import { Health, type WorkflowApiParts } from './parts.js';
import { EventStreams } from './runs/event-streams.js';
import { RunReader } from './runs/run-reader.js';
import { StartRunRoute } from './runs/start-run.js';
import { TriggeredRunStarts } from './runs/triggered-run-starts.js';
import { startFastPath } from './runs/start-fast-path.js';
import { StepReader } from './steps/step-reader.js';
import { CataloguePlans } from './workflows/catalogue-plans.js';
import { WorkflowReader } from './workflows/workflow-reader.js';
import { WorkflowWriter } from './workflows/workflow-writer.js';

export type { Health, RunLists, WorkflowApiParts } from './parts.js';
export type { HttpAdapter } from './http/fastify-adapter.js';

const HEADER_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 30_000;

/** The server that the module is to be served by: `NestFactory.create(module, http.adapter, { bodyParser: false })`. */
export const createHttpAdapter = ({ limits }: WorkflowApiParts['config']): HttpAdapter =>
  createFastifyAdapter({
    bodyMaxBytes: bodyMaxBytes(limits),
    headerTimeoutMs: HEADER_TIMEOUT_MS,
    requestTimeoutMs: REQUEST_TIMEOUT_MS,
  });

const bodyMaxBytes = (limits: WorkflowApiParts['config']['limits']): number =>
  Math.max(2 * limits.payloadMaxBytes, limits.definitionMaxBytes) + ENVELOPE_MAX_BYTES;

export type TriggerParts = Pick<WorkflowApiParts, 'runs' | 'catalogue' | 'clock' | 'log' | 'tracer' | 'config'>;

/** What starts runs for the messages of a topic; `null` where the settings name none. */
export const openTrigger = (parts: TriggerParts, kafka: Config['kafka']): KafkaTrigger | null => {
  const { limits } = parts.config;
  const plans = new CataloguePlans(parts.catalogue, limits);
  const starts = new TriggeredRunStarts({ ...parts, plans, limits }, bodyMaxBytes(limits));
  return createKafkaTrigger(starts, parts.clock, systemEntropy, parts.log, kafka);
};

/** The HTTP edge as a Nest module. Everything it leans on is handed in. */
@Module({})
export class WorkflowApiModule {
  static with(parts: WorkflowApiParts, http: HttpAdapter): DynamicModule {
    const { catalogue, config } = parts;
    const plans = new CataloguePlans(catalogue, config.limits);
    const start = new StartRunRoute({ ...parts, plans, limits: config.limits });
    http.setFastPath(startFastPath(start, bodyMaxBytes(parts.config.limits), http.counts));
    const streams = new EventStreams(parts.store, parts.clock, parts.log);
    const reader = new RunReader(parts);
    http.onClosing(() => {
      start.stop();
      streams.stop();
    });
    return {
      module: WorkflowApiModule,
      controllers: [...CONTROLLERS],
      providers: [
        { provide: APP_PIPE, useValue: new StrictPipe() },
        { provide: APP_FILTER, useValue: new ProblemFilter(http.routes, parts.log) },
        { provide: WorkflowReader, useValue: new WorkflowReader(catalogue) },
        { provide: WorkflowWriter, useValue: new WorkflowWriter(catalogue, config.limits) },
        { provide: StartRunRoute, useValue: start },
        { provide: RunReader, useValue: reader },
        { provide: StepReader, useValue: new StepReader(parts) },
        { provide: EventStreams, useValue: streams },
        { provide: Health, useValue: parts.health },
        { provide: NodeInfo, useValue: parts.node },
        { provide: MetricsPage, useValue: new MetricsPage({ ...parts.metrics, ...http.counts.sources }) },
        { provide: OpenApiText, useValue: new OpenApiText(createOpenApiDocument) },
      ],
    };
  }
}
