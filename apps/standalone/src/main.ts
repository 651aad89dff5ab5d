import { createLog, loadConfigOrExit, onShutdown } from '#runtime';
import { serve } from './serve.js';

const config = loadConfigOrExit(process.env);
const log = createLog(config.log);

try {
  onShutdown(await serve(config, log));
} catch (err) {
  log.error('the start has failed', { err });
  process.exit(1);
}
