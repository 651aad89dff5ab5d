import { createLog, loadConfigOrExit, refuseEmbeddedStore, runMain, tuneCollector } from '#runtime';
import { runProjector } from './run-projector.js';

tuneCollector();
const config = loadConfigOrExit(process.env);
refuseEmbeddedStore('projector', config);
const log = createLog(config.log);

await runMain(log, () => runProjector(config, log));
