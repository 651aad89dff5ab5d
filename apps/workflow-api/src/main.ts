import { createLog, loadConfigOrExit, refuseEmbeddedStore, runMain, tuneCollector } from '#runtime';
import { serveWorkflowApi } from './serve.js';

tuneCollector();
const config = loadConfigOrExit(process.env);
refuseEmbeddedStore('workflow-api', config);
const log = createLog(config.log);

await runMain(log, () => serveWorkflowApi(config, log));
