import { afterEach, describe, expect, it } from '@jest/globals';
import Database from 'better-sqlite3';
import fc from 'fast-check';
import { renameSync } from 'node:fs';
import { join } from 'node:path';
import { evolve } from '#domain';
import type { Commit, Position } from '#event-store';
import { LOG_START, runStream } from '#event-store';
import { armFailpoint } from '#runtime';
import { dump, itemsOf, withFolder } from '../testing/files.js';
import {
  TestLog,
  attempted,
  cancelled,
  completed,
  entered,
  failed,
  histories,
  logOf,
  runIdFor,
  started,
  threeStepFlow,
  timedOut,
} from '../testing/histories.js';
import { SqliteViews } from './sqlite-views.js';

const NEWEST = { order: 'desc', limit: 100 } as const;

const applyAll = (views: SqliteViews, commits: readonly Commit[]): void => {
  if (commits.length > 0)
    views.apply({ after: views.checkpoint, through: commits.at(-1)!.position, commits: ofRuns(commits) });
};
const ofRuns = (commits: readonly Commit[]): Commit[] => commits.filter(({ stream }) => stream.startsWith('run-'));

const withViews = <Result>(call: (views: SqliteViews, file: string) => Promise<Result>): Promise<Result> =>
  withFolder(async (folder) => {
    const file = join(folder, 'set.sqlite');
    const views = await SqliteViews.open(file);
    try {
      return await call(views, file);
    } finally {
      views.close();
    }
  });

const itemsAfter = (build: (log: TestLog) => Promise<void>) =>
  withViews(async (views) => {
    const log = new TestLog();
    await build(log);
    applyAll(views, await log.commits());
    return itemsOf(views.listRuns(NEWEST));
  });

describe('the row of a run', () => {
  it('holds what the start said, and how the run ended', async () => {
    const items = await itemsAfter(async (log) => {
      const fields = { workflow: 'users', version: 7, tags: { team: 'a"b' }, correlationId: 'c-1', requestor: 'ann' };
      await log.append('one', [started('one', { ...fields, namespace: 'staging', queue: 'bulk' }), entered('a')], 1);
      await log.append('one', [completed], 5);
    });
    expect(items).toEqual([
      {
        id: runIdFor('one'),
        key: 'one',
        workflow: 'users',
        version: 7,
        namespace: 'staging',
        queue: 'bulk',
        tags: { team: 'a"b' },
        correlationId: 'c-1',
        requestor: 'ann',
        status: 'completed',
        reason: null,
        error: null,
        createdAt: '2026-01-01T00:00:01.000Z',
        finishedAt: '2026-01-01T00:00:05.000Z',
        resolved: true,
        parent: null,
        revision: 2,
      },
    ]);
  });

  it('tells how the run ended as the run itself does: reason, error, and whether somebody must look at it', async () => {
    const endings = [
      cancelled,
      failed,
      { type: 'RunFailed', step: 'a', error: { name: 'HTTP.500', cause: null } },
      timedOut,
      { type: 'RunTimedOut', error: { name: 'Stepwell.RunTimeout', cause: 'it did not end in time' } },
      completed,
    ] as const;
    const items = await itemsAfter(async (log) => {
      await log.append('running', [started('running', { workflow: null, version: null })], 1);
      for (const [index, ending] of endings.entries()) {
        await log.append(`${index}`, [started(`${index}`, { version: 'draft' }), ending], 1);
      }
    });
    const runs = [null, ...endings].map((ending) => {
      const first = evolve(null, started('x'), '2026-01-01T00:00:01.000Z');
      const run = ending === null ? first : evolve(first, ending, '2026-01-01T00:00:01.000Z');
      const { status, reason, error, finishedAt } = run!;
      return { status, reason, error, finishedAt, resolved: status === 'completed' || status === 'cancelled' };
    });
    expect(items.reverse()).toMatchObject(runs);
    expect(items.map(({ reason }) => reason)).toEqual([
      null,
      'no longer wanted',
      'broken',
      'HTTP.500',
      null,
      'it did not end in time',
      null,
    ]);
    expect(items.map(({ version }) => version)).toEqual([null, ...endings.map(() => 'draft')]);
  });

  it('follows the run past its end, and past a pause of many batches', () =>
    withViews(async (views) => {
      const log = new TestLog();
      await log.append('one', [started('one'), entered('a'), attempted('a')]);
      applyAll(views, await log.commits());
      await log.append('one', [completed], 9);
      applyAll(views, await log.commits());
      await log.append('one', [{ type: 'DuplicateStartsSeen', count: 1 }]);
      applyAll(views, await log.commits());
      expect(itemsOf(views.listRuns(NEWEST))).toMatchObject([{ status: 'completed', revision: 4 }]);
    }));
});

describe('batches', () => {
  let disarm = (): void => {};
  afterEach(() => disarm());

  it('give the same rows however the log is cut, repeated and interrupted', async () => {
    const places = ['views.before-rows', 'views.after-rows', 'views.after-checkpoint', 'views.after-commit'] as const;
    const cuts = fc.array(
      fc.record({
        size: fc.integer({ min: 1, max: 9 }),
        back: fc.nat(3),
        strike: fc.option(fc.constantFrom(...places)),
      }),
      { minLength: 1, maxLength: 30 },
    );
    await fc.assert(
      fc.asyncProperty(histories, cuts, async (history, turns) =>
        withFolder(async (folder) => {
          const commits = await (await logOf(history)).commits();
          const [kept, rebuilt] = [join(folder, 'kept.sqlite'), join(folder, 'rebuilt.sqlite')];
          const whole = await SqliteViews.open(rebuilt);
          applyAll(whole, commits);
          whole.close();
          let views = await SqliteViews.open(kept);
          for (let turn = 0, next = 0; next < commits.length; turn++) {
            const { size, back, strike } = turns[turn % turns.length]!;
            const batch = commits.slice(Math.max(0, next - back), next + size);
            if (strike !== null && turn < turns.length)
              disarm = armFailpoint(strike, () => {
                throw new Error('struck');
              });
            try {
              views.apply({ after: views.checkpoint, through: batch.at(-1)!.position, commits: ofRuns(batch) });
            } catch (error) {
              expect(String(error)).toContain('struck');
              views.close();
              views = await SqliteViews.open(kept);
            }
            disarm();
            next = commits.findIndex(({ position }) => position > views.checkpoint);
            if (next === -1) break;
          }
          views.close();
          expect(dump(kept)).toEqual(dump(rebuilt));
        }),
      ),
      { numRuns: 60 },
    );
  });

  it('that would leave a hole are not applied', () =>
    withViews(async (views) => {
      const log = new TestLog();
      await log.append('one', [started('one')]);
      await log.append('two', [started('two')]);
      const commits = await log.commits();
      const after = commits[0]!.position;
      expect(views.apply({ after, through: commits[1]!.position, commits: commits.slice(1) })).toEqual({
        status: 'gap',
        checkpoint: LOG_START,
      });
      expect(itemsOf(views.listRuns(NEWEST))).toEqual([]);
    }));

  it('that were applied before change nothing', () =>
    withViews(async (views, file) => {
      const log = new TestLog();
      for (const events of threeStepFlow('one')) await log.append('one', events);
      const commits = await log.commits();
      applyAll(views, commits);
      const before = dump(file);
      expect(views.apply({ after: LOG_START, through: commits[1]!.position, commits: commits.slice(0, 2) })).toEqual({
        status: 'applied',
        checkpoint: commits.at(-1)!.position,
      });
      expect(dump(file)).toEqual(before);
    }));

  it('move the checkpoint over appends of other streams', () =>
    withViews(async (views) => {
      expect(views.apply({ after: LOG_START, through: 77 as Position, commits: [] })).toEqual({
        status: 'applied',
        checkpoint: 77,
      });
    }));
});

describe('a poison event', () => {
  it('parks its stream with what came before it, and the other streams go on', () =>
    withViews(async (views) => {
      const log = new TestLog();
      const poison = { type: 'RunLevitated', v: 1, data: '{}' };
      await log.append('bad', [started('bad'), entered('a'), poison, entered('b')]);
      await log.append('good', [started('good'), completed]);
      await log.append('bad', [cancelled, completed]);
      applyAll(views, await log.commits());
      expect(itemsOf(views.listRuns(NEWEST))).toMatchObject([
        { key: 'good', status: 'completed' },
        { key: 'bad', status: 'running', revision: 1 },
      ]);
      const [first] = await log.commits();
      expect(views.parked()).toEqual([
        {
          stream: runStream(runIdFor('bad')),
          position: first!.position - 1,
          revision: 2,
          eventType: 'RunLevitated',
          error: 'no reader for event RunLevitated version 1',
          skipped: 4,
        },
      ]);
    }));

  it('stays parked over a restart', () =>
    withFolder(async (folder) => {
      const log = new TestLog();
      await log.append('bad', [{ type: 'RunFailed', v: 1, data: '{}' }]);
      const views = await SqliteViews.open(join(folder, 'x.sqlite'));
      applyAll(views, await log.commits());
      views.close();
      await log.append('bad', [completed]);
      const again = await SqliteViews.open(join(folder, 'x.sqlite'));
      applyAll(again, await log.commits());
      expect(again.parked()).toMatchObject([{ eventType: 'RunFailed', skipped: 2 }]);
      again.close();
    }));

  it('may be an append that cannot be read at all', () =>
    withViews(async (views) => {
      const log = new TestLog();
      await log.append('bad', [started('bad')]);
      const [commit] = await log.commits();
      applyAll(views, [{ ...commit!, packed: '{"envelope":{},"ev' }]);
      expect(views.parked()).toMatchObject([{ revision: 0, skipped: 1 }]);
      expect(views.checkpoint).toBe(commit!.position);
    }));
});

describe('a set of the first release', () => {
  it('comes to hold what a set built now holds', () =>
    withFolder(async (folder) => {
      const [kept, built] = [join(folder, 'kept.sqlite'), join(folder, 'built.sqlite')];
      const log = new TestLog();
      const late = { type: 'RunTimedOut', error: { name: 'Stepwell.RunTimeout', cause: 'too late' } } as const;
      const endings = { c: cancelled, f: failed, t: timedOut, l: late, d: completed };
      for (const [name, ending] of Object.entries(endings)) await log.append(name, [started(name), ending]);
      await log.append('r', [started('r')]);
      for (const file of [kept, built]) {
        const views = await SqliteViews.open(file);
        applyAll(views, await log.commits());
        views.close();
      }
      const database = new Database(kept);
      database.exec(`
        update runs set resolved = 0, reason = case status when 'cancelled' then reason end;
        drop index runs_unresolved;
        create index runs_resolved on runs (resolved) where resolved = 1;
        alter table checkpoint drop column last_seq;
        delete from migrations where version >= 2`);
      database.close();
      (await SqliteViews.open(kept)).close();
      expect(dump(kept)).toEqual(dump(built));
      expect(indexes(kept)).toEqual(indexes(built));
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
      database.exec(`insert into migrations values (4, 'step-list')`);
      database.close();
      await expect(SqliteViews.open(file)).rejects.toThrow(
        'the views were written by another release: their migration 4 is "step-list", this release knows 3 (up to "last-seq")',
      );
      renameSync(file, `${file}.moved`);
    }));
});
