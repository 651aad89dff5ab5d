import type { INestApplicationContext } from '@nestjs/common';
import type { Log } from '#runtime';
import { NestLog } from './nest-log.js';

/** Has `create` make an app, and gives how to stop it: by its hooks, one of which may not fail unheard. */
export const stoppable = async <App extends INestApplicationContext>(
  log: Log,
  create: (options: { readonly logger: NestLog; readonly abortOnError: false }) => Promise<App>,
): Promise<{ readonly app: App; readonly stop: () => Promise<void> }> => {
  const logger = new NestLog(log);
  const app = await create({ logger, abortOnError: false });
  const stop = async (): Promise<void> => {
    logger.failed = false;
    await app.close();
    if (logger.failed) throw new Error('A part of the process could not be stopped: the log says which.');
  };
  return { app, stop };
};
