import { createLog, loadConfigOrExit, onShutdown, refuseEmbeddedStore, tuneCollector } from '#runtime';
import { runDispatcher } from './run-dispatcher.js';

tuneCollector();
const config = loadConfigOrExit(process.env);
refuseEmbeddedStore('dispatcher', config);
const log = createLog(config.log);

try {
  onShutdown(await runDispatcher(config, log));
} catch (err) {
  log.error('the start has failed', { err });
  process.exit(1);
}
