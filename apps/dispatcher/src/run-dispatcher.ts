import { NestFactory } from '@nestjs/core';
import { createOpsServer, ProcessPort, type Config, type Log } from '#runtime';
import { stoppable } from '../../modules/src/stoppable.js';
import { AppModule } from './app.module.js';
import { dispatcherName } from './shards.js';

/** Runs a dispatcher; the result stops it. */
export const runDispatcher = async (config: Config, log: Log): Promise<() => Promise<void>> => {
  const root = AppModule.with({ config, log, server: createOpsServer() });
  const { app, stop } = await stoppable(log, (options) => NestFactory.createApplicationContext(root, options));
  log.info(`the dispatcher is at work, its health on ${app.get(ProcessPort).url}`, { name: dispatcherName() });
  return stop;
};
