import { loadConfigOrExit, refuseEmbeddedStore } from '#runtime';

refuseEmbeddedStore('dispatcher', loadConfigOrExit(process.env));
