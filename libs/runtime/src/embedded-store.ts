import { writeSync } from 'node:fs';
import type { Config } from './config.js';

/**
 * Ends a process that would be one of several on stores with room for one: the embedded log, views in SQLite. Says which
 * stores the app needs, and what to run instead.
 */
export const refuseEmbeddedStore = (app: string, { eventStore, views }: Pick<Config, 'eventStore' | 'views'>): void => {
  const missing = [
    ...(eventStore === 'eventstoredb' ? [] : ['STEPWELL_EVENT_STORE=eventstoredb with STEPWELL_EVENTSTOREDB_URL']),
    ...(views.url === null ? ['STEPWELL_VIEWS_URL=postgres://…'] : []),
  ];
  if (missing.length === 0) return;
  writeSync(
    2,
    `The ${app} runs beside other processes and needs stores that they share: ${missing.join(', and ')}. ` +
      `The embedded stores (STEPWELL_EVENT_STORE=${eventStore}) serve one process that holds all three apps: npm start.\n`,
  );
  process.exit(1);
};
