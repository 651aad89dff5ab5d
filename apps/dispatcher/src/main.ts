import { createLog, loadConfigOrExit, refuseEmbeddedStore, runMain, tuneCollector } from '#runtime';
import { runDispatcher } from './run-dispatcher.js';

tuneCollector();
const config = loadConfigOrExit(process.env);
refuseEmbeddedStore('dispatcher', config);
const log = createLog(config.log);

await runMain(log, () => runDispatcher(config, log));
