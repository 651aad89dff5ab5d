import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import Database from 'better-sqlite3';
import fc from 'fast-check';
import { Kysely, SqliteDialect } from 'kysely';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RunStatus } from '#domain';
import type { Commit, Position } from '#event-store';
import { stepIdempotencyKey } from '#runtime';
import { itemsOf, withFolder } from '../testing/files.js';
import {
  TestLog,
  at,
  attempted,
  completed,
  entered,
  failed,
  histories,
  logOf,
  runIdFor,
  started,
} from '../testing/histories.js';
import type { RunListItem, RunListQuery } from '../view-store.js';
import { BUCKET_RUNS } from './run-lookups.js';
import { STEP_IDEMPOTENCY_KEY, runListStatements } from './run-list-statements.js';
import { SqliteViews } from './sqlite-views.js';
import type { ViewsSchema } from './views-schema.js';

const NEWEST = { order: 'desc', limit: 100 } as const;

const applyAll = (views: SqliteViews, commits: readonly Commit[]): void => {
  const ofRuns = commits.filter(({ stream }) => stream.startsWith('run-'));
  views.apply({ after: views.checkpoint, through: commits.at(-1)!.position, commits: ofRuns });
};

const filters: fc.Arbitrary<Omit<RunListQuery, 'order' | 'limit'>> = fc.record(
  {
    statuses: fc.uniqueArray(fc.constantFrom<RunStatus>('running', 'completed', 'failed', 'cancelled', 'timed-out'), {
      minLength: 1,
    }),
    workflow: fc.constantFrom('orders', 'users', 'nobody'),
    version: fc.constantFrom(1, 2, 'draft' as const),
    namespace: fc.constantFrom('default', 'staging'),
    queue: fc.constantFrom('default', 'bulk'),
    tags: fc.array(
      fc.record({ name: fc.constantFrom('team', 'a.b"c', '__x'), value: fc.constantFrom('growth', '', '9') }),
      { maxLength: 2 },
    ),
    key: fc.constantFrom('shared', 'key 1', 'été "x"'),
    correlationId: fc.constantFrom('c-1', 'c 1'),
    from: fc.constantFrom(at(-20), at(0), at(50)),
    to: fc.constantFrom(at(-20), at(0), at(50)),
    resolved: fc.boolean(),
  },
  { requiredKeys: [] },
);
// Most filters are left out of most queries, so that something remains.
const fewFilters = fc
  .tuple(filters, fc.nat(2048))
  .map(([given, mask]) => Object.fromEntries(Object.entries(given).filter((_, index) => ((mask >> index) & 3) === 0)));
const orders = fc.constantFrom('asc' as const, 'desc' as const);

const wanted = (run: RunListItem, query: Omit<RunListQuery, 'order' | 'limit'>): boolean =>
  (query.statuses === undefined || query.statuses.includes(run.status)) &&
  (query.workflow === undefined || query.workflow === run.workflow) &&
  (query.version === undefined || query.version === run.version) &&
  (query.namespace === undefined || query.namespace === run.namespace) &&
  (query.queue === undefined || query.queue === run.queue) &&
  (query.tags ?? []).every(({ name, value }) => Object.hasOwn(run.tags, name) && run.tags[name] === value) &&
  (query.key === undefined || query.key === run.key) &&
  (query.correlationId === undefined || query.correlationId === run.correlationId) &&
  (query.from === undefined || run.createdAt >= query.from) &&
  (query.to === undefined || run.createdAt < query.to) &&
  (query.resolved === undefined || query.resolved === run.resolved);

const PAGED_MAX = 100_000;
const pages = (views: SqliteViews, query: RunListQuery, between: () => void = () => {}): RunListItem[] => {
  const items: RunListItem[] = [];
  for (let cursor: string | undefined; ;) {
    const page = views.listRuns({ ...query, ...(cursor !== undefined && { cursor }) });
    items.push(...itemsOf(page));
    if (items.length > PAGED_MAX) throw new Error('the pages do not end');
    if (page.status !== 'page' || page.nextCursor === null) return items;
    cursor = page.nextCursor;
    between();
  }
};

describe('a list of runs', () => {
  it('has the runs that all filters let, in order, page by page', async () => {
    const shape = fc.record({ order: orders, limit: fc.integer({ min: 1, max: 5 }) });
    await fc.assert(
      fc.asyncProperty(
        histories,
        fc.array(fc.tuple(fewFilters, shape), { minLength: 5, maxLength: 20 }),
        async (history, queries) =>
          withFolder(async (folder) => {
            const views = await SqliteViews.open(join(folder, 'x.sqlite'));
            applyAll(views, await (await logOf(history)).commits());
            const all = itemsOf(views.listRuns(NEWEST));
            for (const [given, { order, limit }] of queries) {
              const expected = all.filter((run) => wanted(run, given));
              if (order === 'asc') expected.reverse();
              expect(pages(views, { ...given, order, limit })).toEqual(expected);
            }
            views.close();
          }),
      ),
      { numRuns: 40 },
    );
  });

  it('shows each run that was there before exactly once while runs come in and end', async () => {
    const endings = fc.uniqueArray(fc.nat(30), { maxLength: 10 });
    await fc.assert(
      fc.asyncProperty(orders, fc.integer({ min: 1, max: 7 }), endings, async (order, limit, toEnd) =>
        withFolder(async (folder) => {
          const views = await SqliteViews.open(join(folder, 'x.sqlite'));
          const before = new TestLog();
          for (let run = 0; run < 20; run++) await before.append(`run ${run}`, [started(`run ${run}`)], run);
          applyAll(views, await before.commits());
          const after = new TestLog();
          const there = (await before.commits()).length;
          for (const [turn, run] of toEnd.entries()) {
            await after.append(`run ${20 + turn}`, [started(`run ${20 + turn}`)], 0);
            if (run < 20) await before.append(`run ${run}`, [completed]);
          }
          const ends = (await before.commits()).slice(there);
          const starts = await after.commits();
          const arriving = starts.flatMap((start, turn) => [start, ...ends.slice(turn, turn + 1)]);
          const seen = pages(views, { order, limit }, () => {
            const commit = arriving.shift();
            if (commit === undefined) return;
            const through = (views.checkpoint + commit.count) as Position;
            views.apply({ after: views.checkpoint, through, commits: [{ ...commit, position: through }] });
          });
          views.close();
          const keys = seen.map(({ key }) => key).filter((key) => Number(key.slice(4)) < 20);
          const expected = Array.from({ length: 20 }, (_, run) => `run ${run}`);
          expect(keys).toEqual(order === 'asc' ? expected : expected.reverse());
        }),
      ),
      { numRuns: 25 },
    );
  });

  it('finds the run that sent an idempotency key, once an attempt has started', () =>
    withFolder(async (folder) => {
      const views = await SqliteViews.open(join(folder, 'x.sqlite'));
      const log = new TestLog();
      await log.append('one', [started('one'), entered('a'), attempted('a'), entered('b')]);
      await log.append('two', [started('two'), entered('a'), attempted('a')]);
      applyAll(views, await log.commits());
      const keyOf = (run: string, step: string): string => stepIdempotencyKey(runIdFor(run), step);
      const found = (stepKey: string) => itemsOf(views.listRuns({ ...NEWEST, stepKey })).map(({ key }) => key);
      expect(found(keyOf('one', 'a'))).toEqual(['one']);
      expect(found(keyOf('two', 'a'))).toEqual(['two']);
      expect(found(keyOf('one', 'b'))).toEqual([]);
      const key = keyOf('one', 'a');
      expect(found(key.slice(0, -2) + (key.endsWith('aa') ? 'ba' : 'aa'))).toEqual([]);
      expect(found('no key')).toEqual([]);
      views.close();
    }));

  it('refuses a cursor that is none, or of other filters, but takes one with another limit', () =>
    withFolder(async (folder) => {
      const views = await SqliteViews.open(join(folder, 'x.sqlite'));
      const log = new TestLog();
      for (const name of ['one', 'two', 'three']) await log.append(name, [started(name)]);
      applyAll(views, await log.commits());
      const query = { order: 'desc', limit: 1, statuses: ['running', 'failed'] } as const;
      const page = views.listRuns(query);
      const cursor = page.status === 'page' ? page.nextCursor! : '';
      expect(itemsOf(views.listRuns({ ...query, limit: 9, cursor })).map(({ key }) => key)).toEqual(['two', 'one']);
      expect(views.listRuns({ ...query, statuses: ['failed', 'running'], cursor }).status).toBe('page');
      const refused = { status: 'bad-cursor' };
      expect(views.listRuns({ ...query, order: 'asc', cursor })).toEqual(refused);
      expect(views.listRuns({ ...query, workflow: 'orders', cursor })).toEqual(refused);
      for (const garbage of ['', '!', 'AAAA', `${cursor}A`, cursor.slice(1), 'x'.repeat(9_999)]) {
        expect(views.listRuns({ ...query, cursor: garbage })).toEqual(refused);
      }
      views.close();
    }));

  it('says that it is behind when it has not reached the position asked for', () =>
    withFolder(async (folder) => {
      const views = await SqliteViews.open(join(folder, 'x.sqlite'));
      const log = new TestLog();
      await log.append('one', [started('one')]);
      applyAll(views, await log.commits());
      const minPosition = views.checkpoint;
      expect(views.listRuns({ ...NEWEST, minPosition }).status).toBe('page');
      expect(views.listRuns({ ...NEWEST, minPosition: (minPosition + 1) as Position })).toEqual({
        status: 'behind',
        position: minPosition,
      });
      views.close();
    }));
});

describe('a long list', () => {
  const RUNS = BUCKET_RUNS * 2 + 100;
  const folder = mkdtempSync(join(tmpdir(), 'stepwell-views-'));
  let views: SqliteViews;

  beforeAll(async () => {
    views = await SqliteViews.open(join(folder, 'long.sqlite'));
    const log = new TestLog();
    for (let run = 0; run < RUNS; run++) {
      const name = `run ${run}`;
      const rare = run % 5_000 === 7;
      const fields = { tags: { rare: rare ? 'yes' : 'no' }, correlationId: run % 1_000 === 0 ? 'thousandth' : null };
      await log.append(name, [started(name, fields), rare ? failed : completed], run);
    }
    applyAll(views, await log.commits());
  });

  afterAll(() => {
    views.close();
    rmSync(folder, { recursive: true });
  });

  const keys = (query: Partial<RunListQuery>): string[] => pages(views, { ...NEWEST, ...query }).map(({ key }) => key);

  it('is searched over all buckets', () => {
    expect(keys({ key: 'run 3' })).toEqual(['run 3']);
    expect(keys({ key: `run ${RUNS - 1}` })).toEqual([`run ${RUNS - 1}`]);
    expect(keys({ tags: [{ name: 'rare', value: 'yes' }], limit: 2, order: 'asc' })).toEqual([
      'run 7',
      'run 5007',
      'run 10007',
      'run 15007',
    ]);
    expect(keys({ correlationId: 'thousandth', limit: 3 })).toHaveLength(Math.ceil(RUNS / 1_000));
    expect(keys({ statuses: ['failed', 'running'], limit: 1 })).toEqual([
      'run 15007',
      'run 10007',
      'run 5007',
      'run 7',
    ]);
  });

  it('is cut by times of creation at the bounds of buckets too', () => {
    const around = { from: at(BUCKET_RUNS - 3), to: at(BUCKET_RUNS + 2) };
    const expected = [1, 0, -1, -2, -3].map((step) => `run ${BUCKET_RUNS + step}`);
    expect(keys({ ...around, limit: 2 })).toEqual(expected);
    expect(keys({ from: at(RUNS) })).toEqual([]);
    expect(keys({ to: at(0) })).toEqual([]);
  });

  it('goes on with late events of runs that ended buckets ago', async () => {
    const log = new TestLog();
    await log.append('run 3', [started('run 3'), completed]);
    await log.append('run 3', [{ type: 'DuplicateStartsSeen', count: 1 }]);
    const [, commit] = await log.commits();
    const through = (views.checkpoint + 1) as Position;
    views.apply({ after: views.checkpoint, through, commits: [{ ...commit!, position: through }] });
    expect(itemsOf(views.listRuns({ ...NEWEST, key: 'run 3' }))).toMatchObject([{ revision: 2 }]);
  });

  describe('is read by', () => {
    const database = new Database(':memory:');
    const db = new Kysely<ViewsSchema>({ dialect: new SqliteDialect({ database }) });
    beforeAll(() => {
      database.function(STEP_IDEMPOTENCY_KEY, (a, b) => `${String(a)}${String(b)}`);
      const source = new Database(join(folder, 'long.sqlite'), { readonly: true });
      for (const { sql } of source.prepare(`select sql from sqlite_schema where sql is not null`).all() as {
        sql: string;
      }[])
        database.exec(sql);
      source.close();
    });
    afterAll(() => void database.close());

    const plansOf = (query: Partial<RunListQuery>): string[] => {
      const full: RunListQuery = { ...NEWEST, ...query };
      const found = runListStatements(db, full, { min: 1, max: 100_000 }, 51);
      if (found.by === 'nothing') return [];
      const statements = found.by === 'index' ? found.statements : [found.statement];
      return statements.flatMap(({ sql, parameters }) =>
        (database.prepare(`explain query plan ${sql}`).all(...parameters) as { detail: string }[]).map(
          ({ detail }) => detail,
        ),
      );
    };
    const LOOKUP = [
      'SEARCH run_lookups USING PRIMARY KEY (bucket=? AND hash=? AND seq>? AND seq<?)',
      'SEARCH runs USING INTEGER PRIMARY KEY (rowid=?)',
    ];
    const byIndex = (index: string): string =>
      `SEARCH runs USING INDEX runs_by_${index} (${index}=? AND rowid>? AND rowid<?)`;
    const cases: [string, Partial<RunListQuery>, string[]][] = [
      ['nothing but order', {}, ['SEARCH runs USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)']],
      [
        'nothing but order, oldest first',
        { order: 'asc' },
        ['SEARCH runs USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)'],
      ],
      ['creation', { from: at(0), to: at(9) }, ['SEARCH runs USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)']],
      ['status', { statuses: ['failed'] }, [byIndex('status')]],
      ['statuses', { statuses: ['failed', 'running'], workflow: 'w' }, [byIndex('status'), byIndex('status')]],
      ['workflow', { workflow: 'w', statuses: ['completed'], namespace: 'n' }, [byIndex('workflow')]],
      ['workflow and version', { workflow: 'w', version: 3 }, LOOKUP],
      ['namespace', { namespace: 'n' }, [byIndex('namespace')]],
      ['queue', { queue: 'q', namespace: 'n' }, [byIndex('queue')]],
      ['key', { key: 'k', workflow: 'w' }, LOOKUP],
      ['correlation id', { correlationId: 'c', statuses: ['failed'] }, LOOKUP],
      ['step key', { stepKey: 'a'.repeat(52) }, LOOKUP],
      [
        'unresolved',
        { resolved: false, workflow: 'w', statuses: ['completed', 'failed'] },
        ['SEARCH runs USING INDEX runs_unresolved (resolved=? AND rowid>? AND rowid<?)'],
      ],
      ['unresolved of one status', { resolved: false, statuses: ['failed'] }, [byIndex('status')]],
      ['resolved', { resolved: true }, ['SEARCH runs USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)']],
      ['resolved of a workflow', { resolved: true, workflow: 'w' }, [byIndex('workflow')]],
    ];
    it.each(cases)('%s', (_, query, expected) => {
      expect(plansOf(query)).toEqual(expected);
    });

    it('tag', () => {
      expect(plansOf({ tags: [{ name: 'a', value: 'b' }], namespace: 'n' }).slice(0, 2)).toEqual(LOOKUP);
    });
  });
});
