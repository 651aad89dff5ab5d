import { createLog, loadConfigOrExit, onShutdown, tuneCollector } from '#runtime';
import { serve } from './serve.js';

tuneCollector();
const config = loadConfigOrExit(process.env);
const log = createLog(config.log);

try {
  onShutdown(await serve(config, log));
} catch (err) {
  log.error('the start has failed', { err });
  process.exit(1);
}
