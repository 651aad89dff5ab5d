import { parseArgs } from 'node:util';
import { EventStoreDbDouble } from './eventstoredb-double.js';

/*
 * The double as a process of its own:
 *   node dist/test/support/eventstoredb-double/main.js --port 2113 --data-dir <folder> [--no-sync]
 * Faults of the whole process are signals (KILL, STOP, CONT); others are asked for by POST on the same port, see control.ts.
 */
const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '0' },
    'data-dir': { type: 'string' },
    'no-sync': { type: 'boolean', default: false },
    'not-ready-ms': { type: 'string', default: '500' },
  },
});
const folder = values['data-dir'];
if (folder === undefined) {
  process.stderr.write('--data-dir is missing\n');
  process.exit(2);
}
const double = new EventStoreDbDouble({
  folder,
  port: Number(values.port),
  sync: !values['no-sync'],
  notReadyMs: Number(values['not-ready-ms']),
});
await double.start();
process.stdout.write(`listening on ${double.url}\n`);
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void double.stop());
