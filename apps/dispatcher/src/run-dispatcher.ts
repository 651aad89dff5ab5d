import { NestFactory } from '@nestjs/core';
import { hostname } from 'node:os';
import {
  Dispatcher,
  dispatcherMetrics,
  dispatcherState,
  PostgresLimitShares,
  PostgresOpenRuns,
  PostgresShardOwnership,
} from '#dispatch';
import { Catalogue, engineMetrics, RunEngine } from '#engine';
import { openEventStore, serverVersionOf } from '#event-store';
import {
  MetricsPage,
  nodeInfo,
  openStores,
  openTracer,
  OpsServer,
  readinessOf,
  systemClock,
  systemEntropy,
} from '#runtime';
import type { Config, Log } from '#runtime';
import { DispatcherModule } from './dispatcher.module.js';

/** Runs a dispatcher as one of several: it owns its share of the shards and sees to their runs. The result stops it. */
export const runDispatcher = async (config: Config, log: Log): Promise<() => Promise<void>> => {
  const clock = systemClock;
  const entropy = systemEntropy;
  const connectionString = config.views.url!; // without it `refuseEmbeddedStore` has ended the process
  const name = `${hostname()}-${process.pid}`;
  const store = openEventStore(config, clock, log);
  await openStores(store, config, log, ['dispatcher']);
  const catalogue = new Catalogue(store, clock, entropy, log, config.limits);
  await catalogue.start();
  const engine = new RunEngine(store, catalogue, clock, entropy, log, { limits: config.limits, sharedLog: true });
  const ownership = new PostgresShardOwnership(clock, entropy, log, { connectionString, name });
  const openRuns = new PostgresOpenRuns(ownership, { connectionString });
  const tracer = await openTracer(config.traces.otlpUrl, 'stepwell-dispatcher', log);
  const shares = new PostgresLimitShares(clock, entropy, log, { url: connectionString, name });
  const options = {
    ...config.dispatch,
    name,
    payloadMaxBytes: config.limits.payloadMaxBytes,
    graceMs: config.shutdown.graceMs,
    tracer,
  };
  const dispatcher = new Dispatcher(store, engine, openRuns, ownership, clock, entropy, log, options, shares);
  const app = await NestFactory.createApplicationContext(DispatcherModule.with({ dispatcher }), {
    logger: false,
    abortOnError: false,
  });
  let leaving = false;
  const readiness = () => {
    const { dispatchers, mayStart } = ownership.status();
    const { owned, acting } = dispatcher.shardCounts;
    const held = dispatcher.acting && mayStart && owned === acting && dispatchers > 0;
    return Promise.resolve(
      readinessOf({
        process: leaving ? { status: 'not-ready', detail: 'The process is stopping.' } : READY,
        shards: held ? READY : { status: 'not-ready', detail: notHeld(mayStart, owned, acting) },
      }),
    );
  };
  const metrics = new MetricsPage({
    ...engineMetrics(engine.counts),
    ...dispatcherMetrics(dispatcher, openRuns, ownership),
  });
  const node = nodeInfo(config, {
    roles: ['dispatcher'],
    versions: { eventStoreServer: serverVersionOf(store), viewsSchema: null },
    state: () => ({
      ...dispatcherState(dispatcher, ownership),
      appends: engine.counts.appends.appended,
    }),
  });
  const ops = new OpsServer({ http: config.http, readiness, metrics, node, log });
  log.info(`the dispatcher is at work, its health on ${await ops.start()}`, { name });
  return async () => {
    leaving = true;
    log.info('stopping: attempts in flight get a grace period', { graceMs: config.shutdown.graceMs });
    await app.close();
    await ops.stop();
    await tracer?.stop();
    await catalogue.stop();
    await store.stop();
    log.info('stopped');
  };
};

const READY = { status: 'ready', detail: null } as const;

const notHeld = (mayStart: boolean, owned: number, acting: number): string =>
  mayStart
    ? `Of ${owned} shards that it owns, ${acting} have been taken over.`
    : 'Postgres does not hear that this process lives: it may start nothing.';
