import { NestFactory } from '@nestjs/core';
import { ProcessPort, type Config, type Log } from '#runtime';
import { stoppable } from '../../modules/src/stoppable.js';
import { AppModule } from './app.module.js';
import { createApiAdapter, openApi } from './workflow-api.module.js';

/** Serves the API; the result stops it. */
export const serveWorkflowApi = async (config: Config, log: Log): Promise<() => Promise<void>> => {
  const adapter = createApiAdapter(config);
  const root = AppModule.with({ config, log, server: adapter.getHttpServer() });
  const { app, stop } = await stoppable(log, (options) =>
    NestFactory.create(root, adapter, { ...options, bodyParser: false }),
  );
  await openApi(app, adapter);
  const { url } = app.get(ProcessPort);
  log.info(`workflow-api serves on ${url}`, { swaggerUi: `${url}/docs` });
  return stop;
};
