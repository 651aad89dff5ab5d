import { loadConfigOrExit, refuseEmbeddedStore } from '#runtime';

refuseEmbeddedStore('projector', loadConfigOrExit(process.env));
