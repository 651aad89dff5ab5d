import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { STEP_STATUSES, type StepStatus } from '#domain';
import type { Position } from '#event-store';
import { StepList } from '../step-list.js';
import { RUNS_LOOKED_IN_MAX } from '../step-list-statements.js';
import type { RunListPage, StepListItem, StepListQuery } from '../view-store.js';
import {
  TestLog,
  answered,
  at,
  attemptFailed,
  attempted,
  cancelled,
  completed,
  entered,
  histories,
  logOf,
  runIdFor,
  started,
  stepCancelled,
  stepDone,
  stepFailed,
  stepSkipped,
  threeStepFlow,
} from './histories.js';
import { applyAll, type OpenViews, type TestViews } from './test-views.js';

const NEWEST = { order: 'desc', limit: 100 } as const;
const NOT_COMPLETED = STEP_STATUSES.filter((status) => status !== 'completed');

const filters: fc.Arbitrary<Omit<StepListQuery, 'order' | 'limit' | 'statuses'>> = fc.record(
  {
    workflow: fc.constantFrom('orders', 'users', 'nobody'),
    version: fc.constantFrom(1, 2, 'draft' as const),
    target: fc.constantFrom('http://127.0.0.1:4000', 'https://payments.example'),
    type: fc.constantFrom('step' as const, 'parallel' as const),
    namespace: fc.constantFrom('default', 'staging'),
    queue: fc.constantFrom('default', 'bulk'),
    from: fc.constantFrom(at(-20), at(0), at(50)),
    to: fc.constantFrom(at(-10), at(20)),
  },
  { requiredKeys: [] },
);
// Most filters are left out of most queries, so that something remains.
const fewFilters = fc
  .tuple(filters, fc.nat(255))
  .map(([given, mask]) => Object.fromEntries(Object.entries(given).filter((_, index) => ((mask >> index) & 3) === 0)));
const statusesAsked = fc.subarray<StepStatus>([...STEP_STATUSES], { minLength: 1 });

const itemsOf = (page: RunListPage): StepListItem[] => {
  if (page.status !== 'page') throw new Error(`no page: ${page.status}`);
  return JSON.parse(page.items) as StepListItem[];
};

const PAGES_MAX = 10_000;
const pages = async (
  steps: StepList,
  query: StepListQuery,
  between: () => Promise<void> = async () => {},
): Promise<StepListItem[]> => {
  const items: StepListItem[] = [];
  let cursor: string | undefined;
  for (let count = 0; count < PAGES_MAX; count++) {
    const page = await steps.list({ ...query, ...(cursor !== undefined && { cursor }) });
    const found = itemsOf(page);
    expect(found.length).toBeLessThanOrEqual(query.limit);
    items.push(...found);
    if (page.status !== 'page' || page.nextCursor === null) return items;
    cursor = page.nextCursor;
    await between();
  }
  throw new Error('the pages do not end');
};

const wanted = (step: StepListItem, query: Omit<StepListQuery, 'order' | 'limit'>): boolean =>
  (query.statuses === undefined || query.statuses.includes(step.status)) &&
  (['workflow', 'version', 'target', 'type', 'namespace', 'queue'] as const).every(
    (name) => query[name] === undefined || query[name] === step[name],
  ) &&
  (query.from === undefined || step.enteredAt >= query.from) &&
  (query.to === undefined || step.enteredAt < query.to);

/** What every store of views answers to a list of steps. `runs`: how many histories a property is tried on. */
export const stepListContract = (name: string, open: OpenViews, runs: number): void => {
  const withLog = async <Result>(
    call: (steps: StepList, log: TestLog, views: TestViews) => Promise<Result>,
    log = new TestLog(),
  ): Promise<Result> => {
    const views = await open();
    try {
      return await call(new StepList(views, log.store), log, views);
    } finally {
      await views.close();
    }
  };
  const rowsIn = async (views: TestViews): Promise<number> => (await views.dump())['steps']!.length;

  describe(`${name}: a list of steps`, () => {
    it('tells of each status what the step has come to', () =>
      withLog(async (steps, log, views) => {
        const fields = { workflow: 'users', version: 7, namespace: 'staging', queue: 'bulk' };
        await log.append('one', [started('one', fields), entered('scheduled')], 1);
        await log.append('one', [entered('b'), attempted('b')], 2);
        await log.append('one', [entered('retries'), attempted('retries'), attemptFailed('retries', at(60))], 3);
        await log.append('one', [entered('done'), attempted('done'), answered('done'), stepDone('done')], 4);
        await log.append('one', [entered('bad'), attempted('bad'), attemptFailed('bad', at(5))], 5);
        await log.append('one', [attempted('bad', 2), attemptFailed('bad', null, 2), stepFailed('bad')], 6);
        await log.append('one', [entered('p', 'parallel'), entered('p.off'), attempted('p.off'), entered('p.on')], 7);
        await log.append('one', [stepCancelled('p', 'p.off'), stepFailed('p'), stepSkipped('past')], 7);
        await log.append('one', [entered('both', 'parallel')], 8);
        await applyAll(views, await log.commits());
        const row = (key: string, second: number, more: object) => ({
          run: runIdFor('one'),
          ...fields,
          key,
          name: key,
          type: 'step',
          target: 'http://127.0.0.1:4000',
          attempts: 1,
          error: null,
          enteredAt: at(second),
          startedAt: at(second),
          finishedAt: null,
          retryAt: null,
          ...more,
        });
        const busy = { name: 'HTTP.503', cause: 'busy\0' };
        const broken = { name: 'HTTP.500', cause: 'broken' };
        const abandoned = { name: 'Stepwell.Abandoned', cause: 'step x failed' };
        expect(itemsOf(await steps.list({ order: 'asc', limit: 100 }))).toEqual([
          row('scheduled', 1, { status: 'scheduled', attempts: 0, startedAt: null }),
          row('b', 2, { status: 'running', target: 'https://payments.example' }),
          row('retries', 3, { status: 'waiting-retry', error: busy, retryAt: at(60) }),
          row('done', 4, { status: 'completed', finishedAt: at(4) }),
          row('bad', 5, { status: 'failed', attempts: 2, error: broken, finishedAt: at(6) }),
          row('p', 7, {
            status: 'failed',
            type: 'parallel',
            target: null,
            attempts: 0,
            error: broken,
            finishedAt: at(7),
          }),
          row('p.off', 7, { status: 'cancelled', error: abandoned, finishedAt: at(7) }),
          row('p.on', 7, { status: 'cancelled', attempts: 0, startedAt: null, finishedAt: at(7) }),
          row('past', 7, { status: 'skipped', target: null, attempts: 0, startedAt: null, finishedAt: at(7) }),
          row('both', 8, { status: 'running', type: 'parallel', target: null, attempts: 0 }),
        ]);
      }));

    it('is the same out of its rows and out of the streams, in order, page by page, by all filters', async () => {
      const shape = fc.record({ order: fc.constantFrom('asc', 'desc'), limit: fc.integer({ min: 1, max: 5 }) });
      await fc.assert(
        fc.asyncProperty(
          histories,
          fc.array(fc.tuple(statusesAsked, fewFilters, shape), { minLength: 5, maxLength: 20 }),
          async (history, queries) => {
            const log = await logOf(history);
            await withLog(async (steps, _, views) => {
              await applyAll(views, await log.commits());
              const all = await pages(steps, NEWEST);
              expect(await rowsIn(views)).toBe(all.filter(({ status }) => status !== 'completed').length);
              for (const [statuses, given, { order, limit }] of queries) {
                const query = { ...given, statuses, order, limit };
                const expected = all.filter((step) => wanted(step, query));
                if (order === 'asc') expected.reverse();
                expect(await pages(steps, query)).toEqual(expected);
              }
            }, log);
          },
        ),
        { numRuns: runs },
      );
    });

    it('has nothing of a run that completed well, in however many batches', () =>
      withLog(async (steps, log, views) => {
        for (const [index, events] of threeStepFlow('one').entries()) {
          expect(await rowsIn(views)).toBe([0, 1, 3, 2][index]);
          await log.append('one', events);
          const commits = await log.commits();
          await applyAll(views, commits.slice(-1));
        }
        for (const events of threeStepFlow('two')) await log.append('two', events);
        await applyAll(views, await log.commits());
        expect(await rowsIn(views)).toBe(0);
        expect(itemsOf(await steps.list(NEWEST)).map(({ key, status }) => [key, status])).toEqual(
          [0, 1].flatMap(() =>
            ['notify.analytics', 'notify.email', 'notify', 'create-user'].map((key) => [key, 'completed']),
          ),
        );
      }));

    it('keeps what has failed in a run that ended, and nothing open', () =>
      withLog(async (steps, log, views) => {
        await log.append('one', [started('one'), entered('a'), attempted('a'), stepFailed('a'), entered('b')]);
        await log.append('two', [started('two'), entered('a'), attempted('a')]);
        await applyAll(views, await log.commits());
        await log.append('one', [completed]);
        await log.append('two', [stepCancelled(null, 'a'), cancelled]);
        await applyAll(views, await log.commits());
        const found = itemsOf(await steps.list({ ...NEWEST, statuses: NOT_COMPLETED }));
        expect(found.map(({ key, status }) => [key, status])).toEqual([
          ['a', 'cancelled'],
          ['a', 'failed'],
        ]);
        expect(itemsOf(await steps.list(NEWEST))).toEqual(found);
      }));

    it('shows completed steps as of where the views stand, not of later events', () =>
      withLog(async (steps, log, views) => {
        await log.append('one', [started('one'), entered('a'), attempted('a')]);
        await applyAll(views, await log.commits());
        await log.append('one', [answered('a'), stepDone('a'), completed]);
        expect(itemsOf(await steps.list(NEWEST))).toMatchObject([{ key: 'a', status: 'running' }]);
        await applyAll(views, await log.commits());
        expect(itemsOf(await steps.list(NEWEST))).toMatchObject([{ key: 'a', status: 'completed' }]);
      }));

    it('looks into a bounded number of streams for a page, and goes on behind them', () =>
      withLog(async (_, log, views) => {
        const RUNS = RUNS_LOOKED_IN_MAX * 2 + 10;
        for (let run = 0; run < RUNS; run++) {
          const step = run === 3 ? 'b' : 'a';
          await log.append(`run ${run}`, [
            started(`run ${run}`),
            entered(step),
            attempted(step),
            answered(step),
            stepDone(step),
            completed,
          ]);
        }
        await applyAll(views, await log.commits());
        let reads = 0;
        const counted: Pick<typeof log.store, 'readStream'> = {
          readStream: (...asked) => {
            reads++;
            return log.store.readStream(...asked);
          },
        };
        const steps = new StepList(views, counted);
        const first = await steps.list({ ...NEWEST, target: 'https://payments.example' });
        expect([reads, itemsOf(first), first.status === 'page' && first.nextCursor !== null]).toEqual([
          RUNS_LOOKED_IN_MAX,
          [],
          true,
        ]);
        const found = await pages(steps, { ...NEWEST, target: 'https://payments.example', statuses: ['completed'] });
        expect(found.map(({ run }) => run)).toEqual([runIdFor('run 3')]);
        for (const order of ['asc', 'desc'] as const)
          expect(await pages(steps, { order, limit: 1_000, workflow: 'orders' })).toHaveLength(RUNS);
      }));

    it.each([
      ['out of rows', NOT_COMPLETED],
      ['out of streams', undefined],
    ] as const)('shows each step that was there before exactly once while others come in, %s', async (_, statuses) => {
      for (const order of ['asc', 'desc'] as const) {
        await withLog(async (steps, log, views) => {
          for (let run = 0; run < 9; run++)
            await log.append(`run ${run}`, [started(`run ${run}`), entered('a'), entered('b')]);
          await applyAll(views, await log.commits());
          let turn = 0;
          const seen = await pages(steps, { order, limit: 2, ...(statuses && { statuses }) }, async () => {
            await log.append(`run ${turn % 9}`, [entered(`late.${turn}`)]);
            await log.append(`new ${turn}`, [started(`new ${turn++}`), entered('a')]);
            const commits = await log.commits();
            await applyAll(views, commits);
          });
          const names = new Map(Array.from({ length: 9 }, (__, run) => [runIdFor(`run ${run}`), `run ${run}`]));
          const old = seen.flatMap(({ run, key }) =>
            names.has(run) && !key.startsWith('late') ? [`${names.get(run)} ${key}`] : [],
          );
          const expected = Array.from({ length: 9 }, (__, run) => [`run ${run} a`, `run ${run} b`]).flat();
          expect(old).toEqual(order === 'asc' ? expected : expected.reverse());
        });
      }
    });

    it('leaves a step as it was by an event that nobody can read, and goes on', () =>
      withLog(async (steps, log, views) => {
        const unreadable = [
          { type: 'StepFailed', v: 1, data: '{"step":"a","error":{"name":7}}' },
          { type: 'StepEntered', v: 1, data: '{"step":8,"request":{"url":9}}' },
          { type: 'StepCancelled', v: 1, data: '{}' },
          { type: 'StepCompleted', v: 9, data: '{"step":"a"}' },
        ];
        await log.append('one', [started('one'), entered('a'), ...unreadable, entered('b'), attempted('b')]);
        await applyAll(views, await log.commits());
        expect(itemsOf(await steps.list({ ...NEWEST, statuses: NOT_COMPLETED }))).toMatchObject([
          { key: 'b', status: 'running' },
          { key: 'a', status: 'scheduled' },
        ]);
      }));

    it('refuses a cursor that is none, or of other filters', () =>
      withLog(async (steps, log, views) => {
        for (const run of ['one', 'two', 'three']) await log.append(run, [started(run), entered('a')]);
        await applyAll(views, await log.commits());
        for (const statuses of [['scheduled'], ['scheduled', 'completed']] as const) {
          const query = { order: 'desc', limit: 1, statuses } as const;
          const page = await steps.list(query);
          const cursor = page.status === 'page' ? page.nextCursor! : '';
          expect(itemsOf(await steps.list({ ...query, limit: 9, cursor }))).toHaveLength(2);
          const refused = { status: 'bad-cursor' };
          expect(await steps.list({ ...query, order: 'asc', cursor })).toEqual(refused);
          expect(await steps.list({ ...query, target: 'http://x', cursor })).toEqual(refused);
          expect(await steps.list({ ...query, cursor: `${cursor}A` })).toEqual(refused);
        }
      }));

    it('says that it is behind when it has not reached the position asked for', () =>
      withLog(async (steps, log, views) => {
        await log.append('one', [started('one'), entered('a')]);
        await applyAll(views, await log.commits());
        const position = await views.checkpoint();
        for (const statuses of [NOT_COMPLETED, ['completed']] as const) {
          const query = { ...NEWEST, statuses };
          expect((await steps.list({ ...query, minPosition: position })).status).toBe('page');
          const minPosition = (position + 1) as Position;
          expect(await steps.list({ ...query, minPosition })).toEqual({ status: 'behind', position });
        }
      }));
  });
};
