import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Where the specs of a run leave word for its last lines. Not `STEPWELL_…`: those are settings. */
const SERVERS_SEEN_DIR = 'TEST_SERVERS_SEEN_DIR';

/** Before the first spec file, in the process that starts the workers. */
export const prepareServersSeen = (): void => {
  process.env[SERVERS_SEEN_DIR] = mkdtempSync(join(tmpdir(), 'stepwell-servers-'));
};

/** Says which servers a port's specs run against, and which not and why: the last lines of the run show it. */
export const noteServers = (port: string, servers: string): void => {
  const folder = process.env[SERVERS_SEEN_DIR];
  if (folder !== undefined) appendFileSync(join(folder, 'seen'), `${port}: ${servers}\n`);
};

/** After the last spec file: what was noted, a line for each. */
export const takeServersSeen = (): readonly string[] => {
  const folder = process.env[SERVERS_SEEN_DIR]!;
  const path = join(folder, 'seen');
  const lines = existsSync(path) ? readFileSync(path, 'utf8').trim().split('\n') : [];
  rmSync(folder, { recursive: true });
  return [...new Set(lines)].sort();
};
