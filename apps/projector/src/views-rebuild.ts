import { openSqliteLogReader } from '#event-store';
import { loadConfigOrExit, onShutdown, systemClock } from '#runtime';
import { rebuildPostgresViews, rebuildSqliteViews, type RebuildResult } from '#views';
import { join } from 'node:path';
import { rebuildProgress } from './rebuild-progress.js';

// npm run views:rebuild: builds a new set of views from the log, beside the old one, and switches to it. Services may be
// running on the same data; they notice the switch by themselves.

const config = loadConfigOrExit(process.env);
if (config.eventStore !== 'sqlite') {
  process.stderr.write('views:rebuild reads the embedded log: STEPWELL_EVENT_STORE must be sqlite.\n');
  process.exit(1);
}

const viewsFolder = join(config.dataDir, 'views');
const abort = new AbortController();
const options = { onProgress: rebuildProgress(process.stdout, systemClock), signal: abort.signal };

const rebuild = async (): Promise<RebuildResult> => {
  const { url } = config.views;
  const place = url === null ? viewsFolder : 'Postgres';
  process.stdout.write(`Rebuilding the views in ${place} from the log in ${config.dataDir}\n`);
  if (url === null) return rebuildSqliteViews(config.dataDir, viewsFolder, options);
  const log = openSqliteLogReader(config.dataDir);
  try {
    return await rebuildPostgresViews({ head: () => log.head(), page: (after) => log.page(after, {}) }, url, options);
  } finally {
    log.close();
  }
};

const main = async (): Promise<number> => {
  try {
    const result = await rebuild();
    if (result.status === 'interrupted') {
      process.stdout.write('\nInterrupted: the views are as they were.\n');
      return 130;
    }
    process.stdout.write(`Switched to ${result.set}: ${result.events.toLocaleString('en-US')} events.\n`);
    return 0;
  } catch (error) {
    process.stderr.write(`\nThe rebuild has failed, the views are as they were: ${text(error)}\n`);
    return 1;
  }
};

const text = (error: unknown): string => (error instanceof Error ? error.message : String(error));

const ended = main();
onShutdown(async () => {
  abort.abort();
  process.exit(await ended);
});
process.exitCode = await ended;
