/** Several sample applications in one process, each an origin of its own: prints their URLs as one line of JSON. */
import { startSampleApp } from '../../apps/sample-app/src/sample-app.js';

const count = Number(process.argv[2] ?? '1');
const apps = await Promise.all(
  Array.from({ length: count }, () => startSampleApp({ host: '127.0.0.1', port: 0, ledgerMaxEntries: 0 })),
);
process.stdout.write(`origins ${JSON.stringify(apps.map((app) => app.url))}\n`);
process.once('SIGTERM', () => {
  for (const app of apps) void app.stop();
});
