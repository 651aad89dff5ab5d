import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import Database from 'better-sqlite3';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Commit, Position } from '#event-store';
import { LOG_START } from '#event-store';
import { dump, itemsOf } from '../testing/files.js';
import { TestLog, completed, started } from '../testing/histories.js';
import { ViewsTooNew, ViewsUnavailable } from '../view-store.js';
import { SqliteViewStore } from './sqlite-view-store.js';
import { readSets, setFile } from './view-sets.js';

const NEWEST = { order: 'desc', limit: 100 } as const;

describe('the views on their thread', () => {
  let folder: string;
  let views: SqliteViewStore;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'stepwell-views-'));
    views = new SqliteViewStore(folder);
  });

  afterEach(async () => {
    await views.stop();
    rmSync(folder, { recursive: true });
  });

  const commitsOf = async (...names: string[]): Promise<readonly Commit[]> => {
    const log = new TestLog();
    for (const name of names) await log.append(name, [started(name), completed]);
    return log.commits();
  };
  const apply = (commits: readonly Commit[], after = LOG_START) =>
    views.apply({ after, through: commits.at(-1)!.position, commits });

  it('keep what was applied over stop and start', async () => {
    await views.start();
    await views.start();
    expect(await views.checkpoint()).toBe(LOG_START);
    const commits = await commitsOf('one', 'two');
    expect(await apply(commits)).toEqual({ status: 'applied', checkpoint: commits[1]!.position });
    await views.stop();
    await views.stop();
    await expect(views.listRuns(NEWEST)).rejects.toThrow(ViewsUnavailable);
    await views.start();
    expect(await views.checkpoint()).toBe(commits[1]!.position);
    expect(itemsOf(await views.listRuns(NEWEST)).map(({ key }) => key)).toEqual(['two', 'one']);
    expect(await views.parked()).toEqual([]);
  });

  it('come back from the checkpoint after their thread has died in a batch', async () => {
    await views.start();
    const commits = await commitsOf('one', 'two');
    await apply(commits.slice(0, 1));
    // What the thread cannot bear: it dies as it would of an error of the disk.
    const bad = views.apply({ after: commits[0]!.position, through: commits[1]!.position, commits: null as never });
    await expect(bad).rejects.toThrow(ViewsUnavailable);
    await expect(views.checkpoint()).rejects.toThrow(ViewsUnavailable);
    await views.start();
    expect(await views.checkpoint()).toBe(commits[0]!.position);
    await apply(commits);
    expect(itemsOf(await views.listRuns(NEWEST))).toHaveLength(2);
  });

  it('refuse a set of a newer release by name', async () => {
    await views.start();
    await views.stop();
    const database = new Database(setFile(folder, readSets(folder)!.current));
    database.exec(`insert into migrations values (99, 'step-list')`);
    database.close();
    await expect(views.start()).rejects.toThrow(ViewsTooNew);
    await expect(views.start()).rejects.toThrow('their migration 99 is "step-list"');
  });

  it('refuse a batch that another writer was faster with', async () => {
    await views.start();
    const commits = await commitsOf('one');
    const file = setFile(folder, readSets(folder)!.current);
    const database = new Database(file);
    database.exec('update checkpoint set position = 1000000');
    database.close();
    await expect(apply(commits)).rejects.toThrow('who else writes them?');
    expect(dump(file)['runs']).toEqual([]);
    await views.start();
    expect(await views.checkpoint()).toBe(1_000_000 as Position);
  });

  it('leave no write-ahead log behind when they stop', async () => {
    await views.start();
    await apply(await commitsOf('one'));
    await views.stop();
    expect(existsSync(`${setFile(folder, 'set-1')}-wal`)).toBe(false);
  });
});
