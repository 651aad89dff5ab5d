import { NestFactory } from '@nestjs/core';
import { createOpsServer, ProcessPort, type Config, type Log } from '#runtime';
import { ViewProjector } from '#views';
import { stoppable } from '../../modules/src/stoppable.js';
import { AppModule } from './app.module.js';

/** Runs a projector; the result stops it. */
export const runProjector = async (config: Config, log: Log): Promise<() => Promise<void>> => {
  const root = AppModule.with({ config, log, server: createOpsServer() });
  const { app, stop } = await stoppable(log, (options) => NestFactory.createApplicationContext(root, options));
  const { leads } = app.get(ViewProjector, { strict: false });
  log.info(`the projector stands ready, its health on ${app.get(ProcessPort).url}`, { leads });
  return stop;
};
