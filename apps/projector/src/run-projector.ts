import { NestFactory } from '@nestjs/core';
import { hostname } from 'node:os';
import { openEventStore, serverVersionOf, SHARDS } from '#event-store';
import { PostgresRelayCheckpoint, createKafkaRelay, relayMetrics, type Relay } from '#relay';
import { MetricsPage, nodeInfo, openStores, OpsServer, readinessOf, systemClock, systemEntropy } from '#runtime';
import type { Config, Log } from '#runtime';
import {
  PostgresLeaderLock,
  sharedProjector,
  sharedViews,
  sharedViewsReadiness,
  viewMetrics,
  viewsSchemaVersion,
} from '#views';
import { ProjectorModule } from './projector.module.js';
import { retain } from './retention.js';

/** Runs a projector as one of several: it writes the views, or stands by until the one that does is gone. The result stops it. */
export const runProjector = async (config: Config, log: Log): Promise<() => Promise<void>> => {
  const store = openEventStore(config, systemClock, log);
  await openStores(store, config, log, ['projector']);
  const views = sharedViews(config, systemClock);
  await views.start();
  const projector = sharedProjector(config, store, systemClock, {
    onFault: (err, delayMs) =>
      log.warn('the views could not be written; starting again from their checkpoint', { err, delayMs }),
  });
  const checkpoint = new PostgresRelayCheckpoint(config.kafka.topic, { connectionString: config.views.url! });
  const relay = createKafkaRelay(store, checkpoint, systemClock, systemEntropy, log, config.kafka);
  const relaying = relay === null ? null : relayAsOneOfSeveral(relay, config.views.url!, log);
  const app = await NestFactory.createApplicationContext(ProjectorModule.with({ projector, views }), {
    logger: false,
    abortOnError: false,
  });
  const retention = retain(config, store, log);
  let leaving = false;
  const readiness = async () =>
    readinessOf({
      process: leaving ? { status: 'not-ready', detail: 'The process is stopping.' } : READY,
      views: await sharedViewsReadiness(views),
    });
  const ops = new OpsServer({
    http: config.http,
    readiness,
    metrics: new MetricsPage({ ...viewMetrics(projector, views), ...relayMetrics(relay) }),
    node: nodeInfo(config, {
      roles: ['projector'],
      versions: { eventStoreServer: serverVersionOf(store), viewsSchema: viewsSchemaVersion(config) },
      state: () => ({
        shards: { owned: 0, acting: 0, of: SHARDS },
        leads: projector.leads,
        lag: projector.leads ? projector.lag : null,
        relay: relay === null ? null : { leads: relay.leads, ...relay.state, lag: relay.lag },
      }),
    }),
    log,
  });
  log.info(`the projector stands ready, its health on ${await ops.start()}`, { leads: projector.leads });
  return async () => {
    leaving = true;
    await relaying?.stop();
    await app.close();
    await ops.stop();
    await retention?.stop();
    await store.stop();
    log.info('stopped');
  };
};

/** One process of several publishes; another takes over when it is gone. */
const relayAsOneOfSeveral = (relay: Relay, url: string, log: Log): PostgresLeaderLock => {
  const lock = new PostgresLeaderLock(url, 'relay', systemClock, {
    holder: `${hostname()}-${process.pid}`,
    onFault: (err, delayMs) => log.warn('the lock of the relay was lost; asking for it again', { err, delayMs }),
  });
  lock.start(async ({ signal }) => {
    relay.start();
    await new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      else signal.addEventListener('abort', () => resolve(), { once: true });
    });
    await relay.stop();
  });
  return lock;
};

const READY = { status: 'ready', detail: null } as const;
