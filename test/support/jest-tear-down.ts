import { stopRunServer } from './postgres.js';
import { noteServers, takeServersSeen } from './servers-seen.js';
import { notRun } from './spec-filter.js';

/** After the last spec file. The last lines of a test run say against which servers it ran, and what was not run for want of one. */
export default async function tearDown(): Promise<void> {
  const postgres = await stopRunServer();
  if (postgres !== null) noteServers('postgres', postgres);
  const lines = [...takeServersSeen(), ...notRun];
  if (lines.length > 0) process.stderr.write(`\n${lines.join('\n')}\n`);
}
