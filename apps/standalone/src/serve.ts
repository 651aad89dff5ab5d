import { NestFactory } from '@nestjs/core';
import type { AddressInfo } from 'node:net';
import type { Config, Log } from '#runtime';
import { createHttpAdapter } from '../../workflow-api/src/workflow-api.module.js';
import { createParts } from './standalone-parts.js';
import { StandaloneModule } from './standalone.module.js';

/** Starts the process and says where it serves; the result stops it: first the attempts, then the server, the log last. */
export const serve = async (config: Config, log: Log): Promise<() => Promise<void>> => {
  const parts = await createParts(config, log);
  const { relay, trigger } = parts;
  const http = createHttpAdapter(config);
  const app = await NestFactory.create(StandaloneModule.with(parts, http), http.adapter, {
    logger: false,
    bodyParser: false,
    abortOnError: false,
  });
  await app.listen(config.http.port, config.http.host);
  parts.archiver?.start();
  const { port } = app.getHttpServer().address() as AddressInfo; // a TCP server has no other kind of address
  const host = config.http.host.includes(':') ? `[${config.http.host}]` : config.http.host;
  const url = `http://${host}:${port}`;
  log.info(`Stepwell serves on ${url}`, {
    eventStore: config.eventStore,
    dataDir: config.dataDir,
    swaggerUi: `${url}/docs`,
  });
  relay?.start();
  trigger?.start();
  return async () => {
    log.info('stopping: attempts in flight get a grace period', { graceMs: config.shutdown.graceMs });
    parts.leave();
    await trigger?.stop();
    await app.close();
    await relay?.stop();
    await parts.archiver?.stop();
    await parts.tracer?.stop();
    await parts.catalogue.stop();
    await parts.store.stop();
    log.info('stopped');
  };
};
