import { NestFactory } from '@nestjs/core';
import { openEventStore } from '#event-store';
import { MetricsPage, OpsServer, readinessOf, systemClock } from '#runtime';
import type { Config, Log, Readiness } from '#runtime';
import { sharedProjector, sharedViews, viewMetrics, type ViewStore } from '#views';
import { ProjectorModule } from './projector.module.js';
import { retain } from './retention.js';

/** Runs a projector as one of several: it writes the views, or stands by until the one that does is gone. The result stops it. */
export const runProjector = async (config: Config, log: Log): Promise<() => Promise<void>> => {
  const store = openEventStore(config, systemClock, log);
  await store.start();
  const views = sharedViews(config, systemClock);
  await views.start();
  const projector = sharedProjector(config, store, systemClock, {
    onFault: (err, delayMs) =>
      log.warn('the views could not be written; starting again from their checkpoint', { err, delayMs }),
  });
  const app = await NestFactory.createApplicationContext(ProjectorModule.with({ projector, views }), {
    logger: false,
    abortOnError: false,
  });
  const retention = retain(config, store, log);
  let leaving = false;
  const readiness = async () =>
    readinessOf({
      process: leaving ? { status: 'not-ready', detail: 'The process is stopping.' } : READY,
      views: projector.leads
        ? await viewsReadiness(views)
        : { status: 'ready', detail: 'Another projector is at work.' },
    });
  const ops = new OpsServer({
    http: config.http,
    readiness,
    metrics: new MetricsPage(viewMetrics(projector, views)),
    log,
  });
  log.info(`the projector stands ready, its health on ${await ops.start()}`, { leads: projector.leads });
  return async () => {
    leaving = true;
    await app.close();
    await ops.stop();
    await retention?.stop();
    await store.stop();
    log.info('stopped');
  };
};

const READY = { status: 'ready', detail: null } as const;

const viewsReadiness = async (views: ViewStore): Promise<Readiness['parts'][string]> => {
  try {
    const [first] = await views.parked();
    if (first === undefined) return READY;
    return { status: 'degraded', detail: `Streams are parked, the first ${first.stream}: ${first.error}` };
  } catch (error) {
    return { status: 'degraded', detail: `The views cannot be read: ${String(error)}` };
  }
};
