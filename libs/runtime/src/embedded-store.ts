import { writeSync } from 'node:fs';
import type { Config } from './config.js';

/**
 * Ends a process that would be one of several: the embedded stores have room for one process, and this version has no
 * other. Says which store the app needs, and what to run instead.
 */
export const refuseEmbeddedStore = (app: string, { eventStore }: Pick<Config, 'eventStore'>): never => {
  writeSync(
    2,
    `The ${app} runs beside other processes and needs a store that they share: STEPWELL_EVENT_STORE=eventstoredb, which this ` +
      `version does not have yet. The embedded store (STEPWELL_EVENT_STORE=${eventStore}) serves one process that holds all ` +
      `three apps: npm start.\n`,
  );
  process.exit(1);
};
