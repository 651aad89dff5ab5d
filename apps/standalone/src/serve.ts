import { NestFactory } from '@nestjs/core';
import { ProcessPort, type Config, type Log } from '#runtime';
import { stoppable } from '../../modules/src/stoppable.js';
import { createApiAdapter, openApi } from '../../workflow-api/src/workflow-api.module.js';
import { StandaloneModule } from './standalone.module.js';

/** Starts the process and says where it serves; the result stops it: first the attempts, then the server, the log last. */
export const serve = async (config: Config, log: Log): Promise<() => Promise<void>> => {
  const adapter = createApiAdapter(config);
  const root = StandaloneModule.with({ config, log, server: adapter.getHttpServer() });
  const { app, stop } = await stoppable(log, (options) =>
    NestFactory.create(root, adapter, { ...options, bodyParser: false }),
  );
  await openApi(app, adapter);
  const { url } = app.get(ProcessPort);
  log.info(`Stepwell serves on ${url}`, {
    eventStore: config.eventStore,
    dataDir: config.dataDir,
    swaggerUi: `${url}/docs`,
  });
  return stop;
};
