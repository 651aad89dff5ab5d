import { openEventStore, openSqliteLogReader } from '#event-store';
import { commandLine, createLog, loadConfigOrExit, onShutdown, systemClock } from '#runtime';
import { logPages, rebuildPostgresViews, rebuildSqliteViews, type LogPages, type RebuildResult } from '#views';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { rebuildProgress } from './rebuild-progress.js';

// npm run views:rebuild: builds a new set of views from the log, beside the old one, and switches to it. Services may be
// running on the same log and the same views; they notice the switch by themselves.

const USAGE = `usage: npm run views:rebuild
  It has no options: log and views are those of the settings (docs/configuration.md).`;

commandLine(USAGE, (args) => parseArgs({ args }));
const config = loadConfigOrExit(process.env);
if (config.eventStore === 'memory') {
  process.stderr.write(
    'views:rebuild reads a log that outlives its process: STEPWELL_EVENT_STORE must not be memory.\n',
  );
  process.exit(1);
}

const viewsFolder = join(config.dataDir, 'views');
const abort = new AbortController();

type OpenLog = { readonly name: string; readonly pages: LogPages; readonly close: () => Promise<void> | void };

/** Only to be read: the embedded one may have its one writer beside. */
const openLog = async (): Promise<OpenLog> => {
  if (config.eventStore === 'sqlite') {
    const reader = openSqliteLogReader(config.dataDir);
    return { name: `the log in ${config.dataDir}`, pages: reader, close: () => reader.close() };
  }
  const store = openEventStore(config, systemClock, createLog(config.log));
  await store.start();
  return { name: 'EventStoreDB', pages: logPages(store), close: () => store.stop() };
};

const rebuild = async (): Promise<RebuildResult> => {
  const { name, pages, close } = await openLog().catch((cause: unknown) => {
    throw new Error(`the log cannot be read: ${text(cause)}`, { cause });
  });
  try {
    const { url } = config.views;
    process.stdout.write(`Rebuilding the views in ${url === null ? viewsFolder : 'Postgres'} from ${name}\n`);
    const options = { onProgress: rebuildProgress(process.stdout, systemClock), signal: abort.signal };
    return await (url === null
      ? rebuildSqliteViews(pages, viewsFolder, options)
      : rebuildPostgresViews(pages, url, options));
  } finally {
    await close();
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
