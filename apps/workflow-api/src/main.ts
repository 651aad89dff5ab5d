import { createLog, loadConfigOrExit, onShutdown, refuseEmbeddedStore, tuneCollector } from '#runtime';
import { serveWorkflowApi } from './serve.js';

tuneCollector();
const config = loadConfigOrExit(process.env);
refuseEmbeddedStore('workflow-api', config);
const log = createLog(config.log);

try {
  onShutdown(await serveWorkflowApi(config, log));
} catch (err) {
  log.error('the start has failed', { err });
  process.exit(1);
}
