import { NestFactory } from '@nestjs/core';
import { hostname } from 'node:os';
import type { AddressInfo } from 'node:net';
import { Catalogue, engineMetrics, RunEngine } from '#engine';
import { EventStoreDbEventStore, openEventStore, SHARDS, type EventStore } from '#event-store';
import { openTracer, readinessOf, systemClock, systemEntropy, VERSION } from '#runtime';
import type { Config, Log, Readiness } from '#runtime';
import { sharedViews, type PostgresViewStore } from '#views';
import type { NodeInfo, WorkflowApiParts } from './parts.js';
import { createHttpAdapter, openTrigger, WorkflowApiModule } from './workflow-api.module.js';

/** A projector that has not shown for so long that it lives writes nothing any more. */
const PROJECTOR_SILENT_MS = 15_000;

/** Serves the API as one of several processes on the same stores; the result stops it. */
export const serveWorkflowApi = async (config: Config, log: Log): Promise<() => Promise<void>> => {
  const clock = systemClock;
  const store = openEventStore(config, clock, log);
  await store.start();
  const catalogue = new Catalogue(store, clock, systemEntropy, log, config.limits);
  await catalogue.start();
  // Without an owner: it decides and appends, and the dispatchers see to what runs are owed.
  const runs = new RunEngine(store, catalogue, clock, systemEntropy, log, { limits: config.limits, sharedLog: true });
  const views = sharedViews(config, clock);
  await views.start();
  const tracer = await openTracer(config.traces.otlpUrl, 'stepwell-workflow-api', log);
  let leaving = false;
  const parts: WorkflowApiParts = {
    ...{ runs, catalogue, store, clock, log, config },
    lists: {
      listRuns: (query) => views.listRuns(query),
      listSteps: (query) => views.listSteps(query),
      waitFor: (position, timeoutMs) => views.waitFor(position, timeoutMs),
    },
    health: { readiness: () => readiness(store, views, leaving) },
    metrics: engineMetrics(runs.counts),
    tracer,
    node: nodeInfo(config, store),
  };
  const http = createHttpAdapter(config);
  const app = await NestFactory.create(WorkflowApiModule.with(parts, http), http.adapter, {
    logger: false,
    bodyParser: false,
    abortOnError: false,
  });
  await app.listen(config.http.port, config.http.host);
  const { port } = app.getHttpServer().address() as AddressInfo; // a TCP server has no other kind of address
  const host = config.http.host.includes(':') ? `[${config.http.host}]` : config.http.host;
  log.info(`workflow-api serves on http://${host}:${port}`, { swaggerUi: `http://${host}:${port}/docs` });
  const trigger = openTrigger(parts, config.kafka);
  trigger?.start();
  return async () => {
    leaving = true;
    await trigger?.stop();
    await app.close();
    await tracer?.stop();
    await runs.stop();
    await catalogue.stop();
    await views.stop();
    await store.stop();
    log.info('stopped');
  };
};

const READY = { status: 'ready', detail: null } as const;

const readiness = async (store: EventStore, views: PostgresViewStore, leaving: boolean): Promise<Readiness> =>
  readinessOf({
    process: leaving ? { status: 'not-ready', detail: 'The process is stopping.' } : READY,
    log: await logReadiness(store),
    views: await viewsReadiness(views),
  });

type PartReadiness = Readiness['parts'][string];

const logReadiness = async (store: EventStore): Promise<PartReadiness> => {
  try {
    await store.head();
    return READY;
  } catch (error) {
    return { status: 'not-ready', detail: `The log cannot be read: ${reasonOf(error)}` };
  }
};

const viewsReadiness = async (views: PostgresViewStore): Promise<PartReadiness> => {
  try {
    const [first] = await views.parked();
    if (first !== undefined) {
      return { status: 'degraded', detail: `Streams are parked, the first ${first.stream}: ${first.error}` };
    }
    const leader = await views.leader('projector');
    if (leader === null || leader.beatAgoMs > PROJECTOR_SILENT_MS) {
      return { status: 'degraded', detail: 'No projector is at work: the lists fall behind the log.' };
    }
    return READY;
  } catch (error) {
    return { status: 'degraded', detail: `The lists cannot be read: ${reasonOf(error)}` };
  }
};

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

const nodeInfo = (config: Config, store: EventStore): NodeInfo => ({
  product: 'stepwell',
  version: VERSION,
  runtime: `node ${process.versions.node}`,
  host: hostname(),
  pid: process.pid,
  roles: ['workflow-api'],
  eventStore: config.eventStore,
  startedAt: systemClock.now(),
  limits: config.limits,
  versions: {
    stepwell: VERSION,
    node: process.versions.node,
    eventStoreServer: store instanceof EventStoreDbEventStore ? store.serverVersion : null,
    viewsSchema: null,
  },
  shards: { owned: 0, of: SHARDS },
  lag: null,
  attempts: null,
  appends: null,
});
