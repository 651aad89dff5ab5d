import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { RUN_STATUSES, type RunStatus } from '#domain';
import type { Position } from '#event-store';
import { stepIdempotencyKey } from '#runtime';
import { BUCKET_RUNS } from '../run-lookups.js';
import type { RunListItem, RunListQuery } from '../view-store.js';
import { itemsOf } from './files.js';
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
} from './histories.js';
import { applyAll, type OpenViews, type TestViews } from './test-views.js';

const NEWEST = { order: 'desc', limit: 100 } as const;

const filters: fc.Arbitrary<Omit<RunListQuery, 'order' | 'limit'>> = fc.record(
  {
    statuses: fc.uniqueArray(fc.constantFrom<RunStatus>(...RUN_STATUSES), {
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
    requestor: fc.constantFrom('ann', 'Ann'),
    from: fc.constantFrom(at(-20), at(0), at(50)),
    to: fc.constantFrom(at(-20), at(0), at(50)),
    resolved: fc.boolean(),
  },
  { requiredKeys: [] },
);
// Most filters are left out of most queries, so that something remains.
const fewFilters = fc
  .tuple(filters, fc.nat(4096))
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
  (query.requestor === undefined || query.requestor === run.requestor) &&
  (query.from === undefined || run.createdAt >= query.from) &&
  (query.to === undefined || run.createdAt < query.to) &&
  (query.resolved === undefined || query.resolved === run.resolved);

const PAGED_MAX = 100_000;
const pages = async (
  views: TestViews,
  query: RunListQuery,
  between: () => Promise<void> = async () => {},
): Promise<RunListItem[]> => {
  const items: RunListItem[] = [];
  for (let cursor: string | undefined; ;) {
    const page = await views.listRuns({ ...query, ...(cursor !== undefined && { cursor }) });
    items.push(...itemsOf(page));
    if (items.length > PAGED_MAX) throw new Error('the pages do not end');
    if (page.status !== 'page' || page.nextCursor === null) return items;
    cursor = page.nextCursor;
    await between();
  }
};

/** What every store of views answers to a list of runs. `runs`: how many histories a property is tried on. */
export const runListContract = (name: string, open: OpenViews, runs: number): void => {
  const withViews = async <Result>(call: (views: TestViews) => Promise<Result>): Promise<Result> => {
    const views = await open();
    try {
      return await call(views);
    } finally {
      await views.close();
    }
  };

  describe(`${name}: a list of runs`, () => {
    it('has the runs that all filters let, in order, page by page', async () => {
      const shape = fc.record({ order: orders, limit: fc.integer({ min: 1, max: 5 }) });
      await fc.assert(
        fc.asyncProperty(
          histories,
          fc.array(fc.tuple(fewFilters, shape), { minLength: 5, maxLength: 20 }),
          async (history, queries) =>
            withViews(async (views) => {
              await applyAll(views, await (await logOf(history)).commits());
              const all = itemsOf(await views.listRuns(NEWEST));
              for (const [given, { order, limit }] of queries) {
                const expected = all.filter((run) => wanted(run, given));
                if (order === 'asc') expected.reverse();
                expect(await pages(views, { ...given, order, limit })).toEqual(expected);
              }
            }),
        ),
        { numRuns: runs },
      );
    });

    it('shows each run that was there before exactly once while runs come in and end', async () => {
      const endings = fc.uniqueArray(fc.nat(30), { maxLength: 10 });
      await fc.assert(
        fc.asyncProperty(orders, fc.integer({ min: 1, max: 7 }), endings, async (order, limit, toEnd) =>
          withViews(async (views) => {
            const before = new TestLog();
            for (let run = 0; run < 20; run++) await before.append(`run ${run}`, [started(`run ${run}`)], run);
            await applyAll(views, await before.commits());
            const after = new TestLog();
            const there = (await before.commits()).length;
            for (const [turn, run] of toEnd.entries()) {
              await after.append(`run ${20 + turn}`, [started(`run ${20 + turn}`)], 0);
              if (run < 20) await before.append(`run ${run}`, [completed]);
            }
            const ends = (await before.commits()).slice(there);
            const starts = await after.commits();
            const arriving = starts.flatMap((start, turn) => [start, ...ends.slice(turn, turn + 1)]);
            const seen = await pages(views, { order, limit }, async () => {
              const commit = arriving.shift();
              if (commit === undefined) return;
              const through = ((await views.checkpoint()) + commit.count) as Position;
              await views.apply({
                after: await views.checkpoint(),
                through,
                commits: [{ ...commit, position: through }],
              });
            });
            const keys = seen.map(({ key }) => key).filter((key) => Number(key.slice(4)) < 20);
            const expected = Array.from({ length: 20 }, (_, run) => `run ${run}`);
            expect(keys).toEqual(order === 'asc' ? expected : expected.reverse());
          }),
        ),
        { numRuns: Math.ceil(runs / 2) },
      );
    });

    it('finds the run that sent an idempotency key, once an attempt has started', () =>
      withViews(async (views) => {
        const log = new TestLog();
        await log.append('one', [started('one'), entered('a'), attempted('a'), entered('b')]);
        await log.append('two', [started('two'), entered('a'), attempted('a')]);
        await applyAll(views, await log.commits());
        const keyOf = (run: string, step: string): string => stepIdempotencyKey(runIdFor(run), step);
        const found = async (stepKey: string) =>
          itemsOf(await views.listRuns({ ...NEWEST, stepKey })).map(({ key }) => key);
        expect(await found(keyOf('one', 'a'))).toEqual(['one']);
        expect(await found(keyOf('two', 'a'))).toEqual(['two']);
        expect(await found(keyOf('one', 'b'))).toEqual([]);
        const key = keyOf('one', 'a');
        expect(await found(key.slice(0, -2) + (key.endsWith('aa') ? 'ba' : 'aa'))).toEqual([]);
        expect(await found('no key')).toEqual([]);
      }));

    it('refuses a cursor that is none, or of other filters, but takes one with another limit', () =>
      withViews(async (views) => {
        const log = new TestLog();
        for (const name of ['one', 'two', 'three']) await log.append(name, [started(name)]);
        await applyAll(views, await log.commits());
        const query = { order: 'desc', limit: 1, statuses: ['running', 'failed'] } as const;
        const page = await views.listRuns(query);
        const cursor = page.status === 'page' ? page.nextCursor! : '';
        expect(itemsOf(await views.listRuns({ ...query, limit: 9, cursor })).map(({ key }) => key)).toEqual([
          'two',
          'one',
        ]);
        expect((await views.listRuns({ ...query, statuses: ['failed', 'running'], cursor })).status).toBe('page');
        const refused = { status: 'bad-cursor' };
        expect(await views.listRuns({ ...query, order: 'asc', cursor })).toEqual(refused);
        expect(await views.listRuns({ ...query, workflow: 'orders', cursor })).toEqual(refused);
        expect(await views.listRuns({ ...query, requestor: 'ann', cursor })).toEqual(refused);
        for (const garbage of ['', '!', 'AAAA', `${cursor}A`, cursor.slice(1), 'x'.repeat(9_999)]) {
          expect(await views.listRuns({ ...query, cursor: garbage })).toEqual(refused);
        }
      }));

    it('says that it is behind when it has not reached the position asked for', () =>
      withViews(async (views) => {
        const log = new TestLog();
        await log.append('one', [started('one')]);
        await applyAll(views, await log.commits());
        const minPosition = await views.checkpoint();
        expect((await views.listRuns({ ...NEWEST, minPosition })).status).toBe('page');
        expect(await views.listRuns({ ...NEWEST, minPosition: (minPosition + 1) as Position })).toEqual({
          status: 'behind',
          position: minPosition,
        });
      }));
  });

  describe(`${name}: a long list`, () => {
    const RUNS = BUCKET_RUNS * 2 + 100;
    let views: TestViews;

    beforeAll(async () => {
      views = await open();
      const log = new TestLog();
      for (let run = 0; run < RUNS; run++) {
        const name = `run ${run}`;
        const rare = run % 5_000 === 7;
        const thousandth = run % 1_000 === 0;
        const fields = {
          tags: { rare: rare ? 'yes' : 'no' },
          correlationId: thousandth ? 'thousandth' : null,
          requestor: thousandth ? 'ann' : 'batch',
        };
        await log.append(name, [started(name, fields), rare ? failed : completed], run);
      }
      await applyAll(views, await log.commits());
    });

    afterAll(() => views.close());

    const keys = async (query: Partial<RunListQuery>): Promise<string[]> =>
      (await pages(views, { ...NEWEST, ...query })).map(({ key }) => key);

    it('is searched over all buckets', async () => {
      expect(await keys({ key: 'run 3' })).toEqual(['run 3']);
      expect(await keys({ key: `run ${RUNS - 1}` })).toEqual([`run ${RUNS - 1}`]);
      expect(await keys({ tags: [{ name: 'rare', value: 'yes' }], limit: 2, order: 'asc' })).toEqual([
        'run 7',
        'run 5007',
        'run 10007',
        'run 15007',
      ]);
      expect(await keys({ correlationId: 'thousandth', limit: 3 })).toHaveLength(Math.ceil(RUNS / 1_000));
      expect(await keys({ requestor: 'ann', limit: 3 })).toEqual(await keys({ correlationId: 'thousandth' }));
      expect(await keys({ requestor: 'batch', statuses: ['failed'], order: 'asc', limit: 2 })).toEqual([
        'run 7',
        'run 5007',
        'run 10007',
        'run 15007',
      ]);
      expect(await keys({ requestor: 'an' })).toEqual([]);
      expect(await keys({ statuses: ['failed', 'running'], limit: 1 })).toEqual([
        'run 15007',
        'run 10007',
        'run 5007',
        'run 7',
      ]);
    });

    it('is cut by times of creation at the bounds of buckets too', async () => {
      const around = { from: at(BUCKET_RUNS - 3), to: at(BUCKET_RUNS + 2) };
      const expected = [1, 0, -1, -2, -3].map((step) => `run ${BUCKET_RUNS + step}`);
      expect(await keys({ ...around, limit: 2 })).toEqual(expected);
      expect(await keys({ from: at(RUNS) })).toEqual([]);
      expect(await keys({ to: at(0) })).toEqual([]);
    });

    it('goes on with late events of runs that ended buckets ago', async () => {
      const log = new TestLog();
      await log.append('run 3', [started('run 3'), completed]);
      await log.append('run 3', [{ type: 'DuplicateStartsSeen', count: 1, refused: 0 }]);
      const [, commit] = await log.commits();
      const through = ((await views.checkpoint()) + 1) as Position;
      await views.apply({ after: await views.checkpoint(), through, commits: [{ ...commit!, position: through }] });
      expect(itemsOf(await views.listRuns({ ...NEWEST, key: 'run 3' }))).toMatchObject([{ revision: 2 }]);
    });
  });
};
