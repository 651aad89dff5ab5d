import { loadConfigOrExit, refuseEmbeddedStore } from '#runtime';

refuseEmbeddedStore('workflow-api', loadConfigOrExit(process.env));
