import { join } from 'node:path';
import Database from 'better-sqlite3';
import { systemClock } from '#runtime';
import { RebuildLocked, rebuild, type LogPages, type RebuildOptions, type RebuildResult } from '../rebuild.js';
import { SqliteViews } from './sqlite-views.js';
import { nextSet, readOrMakeSets, removeSets, setFile, switchTo } from './view-sets.js';

/**
 * Builds a new set of views beside the old one from the whole log, and switches to it. A running service is not disturbed:
 * it reads its old set until it notices the switch, within a second or two.
 */
export const rebuildSqliteViews = async (
  log: LogPages,
  folder: string,
  options: RebuildOptions,
): Promise<RebuildResult> => {
  const sets = readOrMakeSets(folder);
  const unlock = lock(folder);
  try {
    removeSets(folder, sets);
    const set = nextSet(folder);
    const views = await SqliteViews.open(setFile(folder, set));
    let events: number | null;
    try {
      events = await rebuild(log, views, systemClock, options);
    } finally {
      views.close();
    }
    if (events === null) {
      removeSets(folder, sets);
      return { status: 'interrupted' };
    }
    switchTo(folder, set);
    return { status: 'switched', set, events };
  } finally {
    unlock();
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
