import { NestFactory } from '@nestjs/core';
import type { AddressInfo } from 'node:net';
import { Catalogue, engineMetrics, RunEngine } from '#engine';
import { openEventStore, serverVersionOf, SHARDS, type EventStore } from '#event-store';
import { triggerMetrics } from '#relay';
import { nodeInfo, openStores, openTracer, readinessOf, systemClock, systemEntropy } from '#runtime';
import type { Config, Log, Readiness } from '#runtime';
import { sharedViews, sharedViewsReadiness, type PostgresViewStore } from '#views';
import type { WorkflowApiParts } from './parts.js';
import { createHttpAdapter, openTrigger, WorkflowApiModule } from './workflow-api.module.js';

/** Serves the API as one of several processes on the same stores; the result stops it. */
export const serveWorkflowApi = async (config: Config, log: Log): Promise<() => Promise<void>> => {
  const clock = systemClock;
  const store = openEventStore(config, clock, log);
  await openStores(store, config, log, ['workflow-api']);
  const catalogue = new Catalogue(store, clock, systemEntropy, log, config.limits);
  await catalogue.start();
  // Without an owner: it decides and appends, and the dispatchers see to what runs are owed.
  const runs = new RunEngine(store, catalogue, clock, systemEntropy, log, { limits: config.limits, sharedLog: true });
  const views = sharedViews(config, clock);
  await views.start();
  const tracer = await openTracer(config.traces.otlpUrl, 'stepwell-workflow-api', log);
  let leaving = false;
  const trigger = openTrigger({ runs, catalogue, clock, log, config, tracer }, config.kafka);
  const parts: WorkflowApiParts = {
    ...{ runs, catalogue, store, clock, log, config, tracer },
    lists: {
      listRuns: (query) => views.listRuns(query),
      listSteps: (query) => views.listSteps(query),
      waitFor: (position, timeoutMs) => views.waitFor(position, timeoutMs),
    },
    health: { readiness: () => readiness(store, views, leaving) },
    metrics: { ...engineMetrics(runs.counts), ...triggerMetrics(trigger) },
    node: nodeInfo(config, {
      roles: ['workflow-api'],
      versions: { eventStoreServer: serverVersionOf(store), viewsSchema: null },
      state: () => ({
        shards: { owned: 0, acting: 0, of: SHARDS },
        appends: runs.counts.appends.appended,
        trigger: trigger === null ? null : { ...trigger.state, lag: trigger.lag },
      }),
    }),
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
    views: await sharedViewsReadiness(views),
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

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
