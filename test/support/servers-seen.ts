import { appendFileSync } from 'node:fs';
import { join } from 'node:path';

/** Where the specs of a run leave word for `servers-reporter`; set by it, for the workers too. */
export const SERVERS_SEEN_DIR = 'JEST_SERVERS_SEEN_DIR';

/** Says which servers a port's specs run against, and which not and why: the last lines of the run show it. */
export const noteServers = (port: string, servers: string): void => {
  const folder = process.env[SERVERS_SEEN_DIR];
  if (folder !== undefined) appendFileSync(join(folder, 'seen'), `${port}: ${servers}\n`);
};
