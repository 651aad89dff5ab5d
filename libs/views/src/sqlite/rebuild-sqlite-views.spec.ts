import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import Database from 'better-sqlite3';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SqliteEventStore, openSqliteLogReader } from '#event-store';
import { systemClock } from '#runtime';
import { Projector } from '../projector.js';
import type { RebuildOptions, RebuildProgress, RebuildResult } from '../rebuild.js';
import { dump, itemsOf } from '../testing/files.js';
import { TestLog, threeStepFlow, started } from '../testing/histories.js';
import { rebuildSqliteViews } from './rebuild-sqlite-views.js';
import { SqliteViewStore } from './sqlite-view-store.js';
import { readSets, setFile } from './view-sets.js';

const NEWEST = { order: 'desc', limit: 500 } as const;
const LONG_MS = 10_000;
const quiet = { onProgress: () => {}, signal: new AbortController().signal };

const fail = (error: unknown): never => {
  throw error;
};

describe('a rebuild', () => {
  let folder: string;
  let viewsFolder: string;
  let log: TestLog;
  let views: SqliteViewStore;
  let projector: Projector;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'stepwell-views-'));
    viewsFolder = join(folder, 'views');
    log = new TestLog(new SqliteEventStore({ folder, onFatal: fail }));
    await log.store.start();
    views = new SqliteViewStore(viewsFolder);
    projector = new Projector(log.store, views, systemClock);
  });

  afterEach(async () => {
    await projector.stop();
    await views.stop();
    await log.store.stop();
    rmSync(folder, { recursive: true });
  });

  const flows = async (from: number, to: number): Promise<void> => {
    for (let run = from; run < to; run++)
      for (const events of threeStepFlow(`run ${run}`)) await log.append(`run ${run}`, events);
  };
  /** By a reader of its own, as another process has one. */
  const rebuild = async (options: RebuildOptions = quiet): Promise<RebuildResult> => {
    const reader = openSqliteLogReader(folder);
    try {
      return await rebuildSqliteViews(reader, viewsFolder, options);
    } finally {
      reader.close();
    }
  };
  const caughtUp = async (): Promise<boolean> => projector.waitFor(await log.store.head(), LONG_MS);

  it('gives the rows of the kept set, beside it, while the service is stopped', async () => {
    await projector.start();
    await flows(0, 30);
    await log.append('bad', [started('bad'), { type: 'RunLevitated', v: 1, data: '{}' }]);
    expect(await caughtUp()).toBe(true);
    await projector.stop();
    await views.stop();
    await log.store.stop();
    const told: RebuildProgress[] = [];
    const result = await rebuild({ ...quiet, onProgress: (progress) => told.push(progress) });
    expect(result).toEqual({ status: 'switched', set: 'set-2', events: 30 * 17 + 2 });
    expect(readSets(viewsFolder)).toEqual({ current: 'set-2', previous: 'set-1' });
    expect(dump(setFile(viewsFolder, 'set-2'))).toEqual(dump(setFile(viewsFolder, 'set-1')));
    expect(told.at(-1)).toMatchObject({ events: 512, share: 1, secondsLeft: 0 });
  });

  it('is taken up by a running service, which then goes on by itself', async () => {
    await projector.start();
    await flows(0, 20);
    expect(await caughtUp()).toBe(true);
    // What only the old set has, to tell the two apart.
    const old = new Database(setFile(viewsFolder, 'set-1'));
    old.exec(`update runs set requestor = 'old set'`);
    old.close();
    const rebuilding = rebuild();
    await flows(20, 40);
    expect(await rebuilding).toMatchObject({ status: 'switched', set: 'set-2' });
    await flows(40, 50);
    const newSet = async (): Promise<boolean> =>
      itemsOf(await views.listRuns(NEWEST)).every(({ requestor }) => requestor === null);
    for (let turn = 0; turn < 50 && !(await newSet()); turn++) {
      // Whichever set answers, it has all that was there.
      expect(await caughtUp()).toBe(true);
      expect(itemsOf(await views.listRuns(NEWEST))).toHaveLength(50);
      await new Promise((resolve) => systemClock.after(50, () => resolve(null)));
    }
    const items = itemsOf(await views.listRuns(NEWEST));
    expect(items).toHaveLength(50);
    expect(items.filter(({ requestor, status }) => requestor !== null || status !== 'completed')).toEqual([]);
  });

  it('that is interrupted leaves the views as they were', async () => {
    await projector.start();
    await flows(0, 3);
    expect(await caughtUp()).toBe(true);
    const signal = AbortSignal.abort();
    expect(await rebuild({ ...quiet, signal })).toEqual({ status: 'interrupted' });
    expect(readSets(viewsFolder)).toEqual({ current: 'set-1', previous: null });
    expect(readdirSync(viewsFolder).filter((file) => file.startsWith('set-2'))).toEqual([]);
  });

  it('keeps the set before for rolling back, and removes older and half-built ones', async () => {
    await flows(0, 3);
    for (const set of ['set-2', 'set-3', 'set-4']) {
      expect(await rebuild()).toMatchObject({ set });
      if (set === 'set-2') writeFileSync(join(viewsFolder, 'set-2.sqlite-wal'), '');
    }
    writeFileSync(join(viewsFolder, 'set-9.sqlite'), 'half a set of a rebuild that was killed');
    expect(await rebuild()).toMatchObject({ set: 'set-5' });
    const files = readdirSync(viewsFolder).filter((file) => file.startsWith('set-'));
    expect(files.sort()).toEqual(['set-4.sqlite', 'set-5.sqlite']);
    expect(readFileSync(join(viewsFolder, 'current'), 'utf8')).toBe('set-5\nset-4\n');
  });

  it('is refused while another one runs', async () => {
    await flows(0, 3);
    await rebuild();
    const other = new Database(join(viewsFolder, 'rebuild.lock'));
    other.exec('begin exclusive');
    await expect(rebuild()).rejects.toThrow('another rebuild');
    other.close();
    expect(await rebuild()).toMatchObject({ status: 'switched' });
  });
});
