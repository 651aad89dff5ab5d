import { join } from 'node:path';
import Database from 'better-sqlite3';
import { openSqliteLogReader, type SqliteLogReader } from '#event-store';
import { systemClock } from '#runtime';
import { RebuildLocked, rebuild, type RebuildOptions, type RebuildResult } from '../rebuild.js';
import { SqliteViews } from './sqlite-views.js';
import { nextSet, readOrMakeSets, removeSets, setFile, switchTo } from './view-sets.js';

/**
 * Builds a new set of views beside the old one from the log in `logFolder`, and switches to it. A running service is not
 * disturbed: it reads its old set until it notices the switch, within a second or two.
 */
export const rebuildSqliteViews = async (
  logFolder: string,
  viewsFolder: string,
  options: RebuildOptions,
): Promise<RebuildResult> => {
  const log = openLog(logFolder);
  try {
    const sets = readOrMakeSets(viewsFolder);
    const unlock = lock(viewsFolder);
    try {
      removeSets(viewsFolder, sets);
      const set = nextSet(viewsFolder);
      const views = await SqliteViews.open(setFile(viewsFolder, set));
      let events: number | null;
      try {
        const pages = { head: () => log.head(), page: (after: Parameters<typeof log.page>[0]) => log.page(after, {}) };
        events = await rebuild(pages, views, systemClock, options);
      } finally {
        views.close();
      }
      if (events === null) {
        removeSets(viewsFolder, sets);
        return { status: 'interrupted' };
      }
      switchTo(viewsFolder, set);
      return { status: 'switched', set, events };
    } finally {
      unlock();
    }
  } finally {
    log.close();
  }
};

const openLog = (folder: string): SqliteLogReader => {
  try {
    return openSqliteLogReader(folder);
  } catch (error) {
    throw new Error(`the log in ${folder} cannot be read: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
};

/** An open exclusive transaction: the operating system ends it with the process, however that dies. */
const lock = (folder: string): (() => void) => {
  const file = new Database(join(folder, 'rebuild.lock'), { timeout: 0 });
  try {
    file.exec('begin exclusive');
  } catch (error) {
    file.close();
    throw new RebuildLocked('another rebuild of these views is under way', { cause: error });
  }
  return () => file.close();
};
