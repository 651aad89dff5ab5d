import { SqliteEventStore } from '#event-store';
import { armFailpoint, silentLog, systemClock, systemEntropy } from '#runtime';
import { Archiver } from '../archiver.js';

// Archives what is due in a folder, as a process that a test kills: at the failpoint, when it is reached for the nth time.

const [folder = '', archive = '', point = '', nth = '1'] = process.argv.slice(2);
const store = new SqliteEventStore({ folder, onFatal: () => process.exit(3) });
await store.start();
let reached = 0;
if (point !== '')
  armFailpoint(point, () => {
    if (++reached === Number(nth)) process.kill(process.pid, 'SIGKILL');
  });
const archiver = new Archiver(store, systemClock, systemEntropy, silentLog, {
  folder: archive,
  ageMs: 1_000,
  runsPerSecond: 100_000,
});
await archiver.archiveDue(new AbortController().signal);
await archiver.stop();
await store.stop();
