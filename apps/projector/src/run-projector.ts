import { NestFactory } from '@nestjs/core';
import { openEventStore } from '#event-store';
import { systemClock, type Config, type Log } from '#runtime';
import { sharedProjector, sharedViews } from '#views';
import { ProjectorModule } from './projector.module.js';

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
  log.info('the projector stands ready', { leads: projector.leads });
  return async () => {
    await app.close();
    await store.stop();
    log.info('stopped');
  };
};
