import { stopRunServer } from './postgres.js';

/** After the last spec file. The last lines of a test run say against which servers it ran. */
export default async function tearDown(): Promise<void> {
  const server = await stopRunServer();
  if (server !== null) process.stdout.write(`\nPostgres: tested against ${server}.\n`);
}
