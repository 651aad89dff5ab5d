import { createLog, loadConfigOrExit, onShutdown, refuseEmbeddedStore, tuneCollector } from '#runtime';
import { runProjector } from './run-projector.js';

tuneCollector();
const config = loadConfigOrExit(process.env);
refuseEmbeddedStore('projector', config);
const log = createLog(config.log);

try {
  onShutdown(await runProjector(config, log));
} catch (err) {
  log.error('the start has failed', { err });
  process.exit(1);
}
