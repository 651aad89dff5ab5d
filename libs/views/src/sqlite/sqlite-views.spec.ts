import { describe, expect, it } from '@jest/globals';
import Database from 'better-sqlite3';
import { renameSync } from 'node:fs';
import { join } from 'node:path';
import { LOG_START } from '#event-store';
import { dump, withFolder } from '../testing/files.js';
import { TestLog, cancelled, completed, entered, failed, started, stepFailed, timedOut } from '../testing/histories.js';
import { lookupHash } from '../run-lookups.js';
import { openSqliteViews } from '../testing/sqlite-test-views.js';
import { viewsContract } from '../testing/views-contract.js';
import { SqliteViews } from './sqlite-views.js';

viewsContract('SQLite', openSqliteViews, 60);

describe('a set of the first release', () => {
  it('comes to hold what a set built now holds', () =>
    withFolder(async (folder) => {
      const [kept, built] = [join(folder, 'kept.sqlite'), join(folder, 'built.sqlite')];
      const log = new TestLog();
      const late = { type: 'RunTimedOut', error: { name: 'Stepwell.RunTimeout', cause: 'too late' } } as const;
      const endings = { c: cancelled, f: failed, t: timedOut, l: late, d: completed };
      for (const [name, ending] of Object.entries(endings)) {
        await log.append(name, [started(name), entered('a'), stepFailed('a'), ending]);
      }
      await log.append('r', [started('r'), entered('a')]);
      for (const file of [kept, built]) {
        const views = await SqliteViews.open(file);
        views.apply({ after: views.checkpoint, through: await log.store.head(), commits: await log.commits() });
        views.close();
      }
      // Steps are in no row of it: the log is read again from its beginning.
      const database = new Database(kept);
      database.exec(`
        update runs set resolved = 0, reason = case status when 'cancelled' then reason end;
        drop index runs_unresolved;
        create index runs_resolved on runs (resolved) where resolved = 1;
        drop table steps;
        alter table checkpoint drop column last_seq;
        delete from migrations where version > 1`);
      database.close();
      const views = await SqliteViews.open(kept);
      expect(views.checkpoint).toBe(LOG_START);
      views.apply({ after: LOG_START, through: await log.store.head(), commits: await log.commits() });
      views.close();
      expect(dump(kept)).toEqual(dump(built));
      expect(indexes(kept)).toEqual(indexes(built));
    }));
});

describe('a set of before runs were found by their requestor', () => {
  it('comes to hold what a set built now holds, without reading the log again', () =>
    withFolder(async (folder) => {
      const [kept, built] = [join(folder, 'kept.sqlite'), join(folder, 'built.sqlite')];
      const log = new TestLog();
      for (let run = 0; run < 2_500; run++) {
        await log.append(`run ${run}`, [started(`run ${run}`, { requestor: [null, 'ann', 'é \uE000'][run % 3]! })]);
      }
      for (const file of [kept, built]) {
        const views = await SqliteViews.open(file);
        views.apply({ after: views.checkpoint, through: await log.store.head(), commits: await log.commits() });
        views.close();
      }
      const database = new Database(kept);
      const forget = database.prepare('delete from run_lookups where hash in (?, ?)');
      const forgotten = forget.run(lookupHash('requestor', 'ann'), lookupHash('requestor', 'é \uE000')).changes;
      database.exec(`delete from migrations where name = 'requestors'`);
      database.close();
      expect(forgotten).toBe(1_666);
      const views = await SqliteViews.open(kept);
      expect(views.checkpoint).toBe(await log.store.head());
      views.close();
      expect(dump(kept)).toEqual(dump(built));
    }));
});

const indexes = (file: string): unknown[] => {
  const database = new Database(file, { readonly: true });
  const names = database.prepare(`select name from sqlite_schema where type = 'index' order by name`).pluck().all();
  database.close();
  return names;
};

describe('a set of a newer release', () => {
  it('is refused by name, and left as it is', () =>
    withFolder(async (folder) => {
      const file = join(folder, 'x.sqlite');
      (await SqliteViews.open(file)).close();
      const database = new Database(file);
      database.exec(`insert into migrations values (6, 'child-list')`);
      database.close();
      await expect(SqliteViews.open(file)).rejects.toThrow(
        'the views were written by another release: their migration 6 is "child-list", this release knows 5 (up to "requestors")',
      );
      renameSync(file, `${file}.moved`);
    }));
});
