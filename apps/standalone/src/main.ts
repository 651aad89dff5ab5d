import { createLog, loadConfigOrExit, runMain, tuneCollector } from '#runtime';
import { serve } from './serve.js';

tuneCollector();
const config = loadConfigOrExit(process.env);
const log = createLog(config.log);

await runMain(log, () => serve(config, log));
