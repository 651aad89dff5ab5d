import { afterEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { foldHistory } from '#domain';
import type { Position } from '#event-store';
import { LOG_START, runStream } from '#event-store';
import { armFailpoint } from '#runtime';
import { itemsOf } from './files.js';
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
} from './histories.js';
import { applyAll, ofRuns, type OpenViews, type TestViews } from './test-views.js';

/** Each history is opened some twenty times: on Postgres three connections each, which took 25 ms each where a fork is slow. */
const HISTORIES_TIMEOUT_MS = 90_000;
const NEWEST = { order: 'desc', limit: 100 } as const;

/** What every store of views makes of a log. `runs`: how many histories a property is tried on. */
export const viewsContract = (name: string, open: OpenViews, runs: number): void => {
  const withViews = async <Result>(call: (views: TestViews) => Promise<Result>): Promise<Result> => {
    const views = await open();
    try {
      return await call(views);
    } finally {
      await views.close();
    }
  };

  const itemsAfter = (build: (log: TestLog) => Promise<void>) =>
    withViews(async (views) => {
      const log = new TestLog();
      await build(log);
      await applyAll(views, await log.commits());
      return itemsOf(await views.listRuns(NEWEST));
    });

  describe(`${name}: the row of a run`, () => {
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
        const first = foldHistory(null, started('x'), '2026-01-01T00:00:01.000Z');
        const run = ending === null ? first : foldHistory(first, ending, '2026-01-01T00:00:01.000Z');
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
        await applyAll(views, await log.commits());
        await log.append('one', [completed], 9);
        await applyAll(views, await log.commits());
        await log.append('one', [{ type: 'DuplicateStartsSeen', count: 1, refused: 0 }]);
        await applyAll(views, await log.commits());
        expect(itemsOf(await views.listRuns(NEWEST))).toMatchObject([{ status: 'completed', revision: 4 }]);
      }));
  });

  describe(`${name}: batches`, () => {
    let disarm = (): void => {};
    afterEach(() => disarm());

    it(
      'give the same rows however the log is cut, repeated and interrupted',
      async () => {
        const places = [
          'views.before-rows',
          'views.after-rows',
          'views.after-checkpoint',
          'views.after-commit',
        ] as const;
        const cuts = fc.array(
          fc.record({
            size: fc.integer({ min: 1, max: 9 }),
            back: fc.nat(3),
            strike: fc.option(fc.constantFrom(...places)),
          }),
          { minLength: 1, maxLength: 30 },
        );
        await fc.assert(
          fc.asyncProperty(histories, cuts, async (history, turns) => {
            const commits = await (await logOf(history)).commits();
            const rebuilt = await withViews(async (views) => {
              await applyAll(views, commits);
              return views.dump();
            });
            await withViews(async (views) => {
              for (let turn = 0, next = 0; next < commits.length; turn++) {
                const { size, back, strike } = turns[turn % turns.length]!;
                const batch = commits.slice(Math.max(0, next - back), next + size);
                if (strike !== null && turn < turns.length)
                  disarm = armFailpoint(strike, () => {
                    throw new Error('struck');
                  });
                try {
                  const after = await views.checkpoint();
                  await views.apply({ after, through: batch.at(-1)!.position, commits: ofRuns(batch) });
                } catch (error) {
                  expect(String(error)).toContain('struck');
                  await views.reopen();
                }
                disarm();
                const checkpoint = await views.checkpoint();
                next = commits.findIndex(({ position }) => position > checkpoint);
                if (next === -1) break;
              }
              expect(await views.dump()).toEqual(rebuilt);
            });
          }),
          { numRuns: runs },
        );
      },
      HISTORIES_TIMEOUT_MS,
    );

    it('that would leave a hole are not applied', () =>
      withViews(async (views) => {
        const log = new TestLog();
        await log.append('one', [started('one')]);
        await log.append('two', [started('two')]);
        const commits = await log.commits();
        const after = commits[0]!.position;
        expect(await views.apply({ after, through: commits[1]!.position, commits: commits.slice(1) })).toEqual({
          status: 'gap',
          checkpoint: LOG_START,
        });
        expect(itemsOf(await views.listRuns(NEWEST))).toEqual([]);
      }));

    it('that were applied before change nothing', () =>
      withViews(async (views) => {
        const log = new TestLog();
        for (const events of threeStepFlow('one')) await log.append('one', events);
        const commits = await log.commits();
        await applyAll(views, commits);
        const before = await views.dump();
        expect(
          await views.apply({ after: LOG_START, through: commits[1]!.position, commits: commits.slice(0, 2) }),
        ).toEqual({
          status: 'applied',
          checkpoint: commits.at(-1)!.position,
        });
        expect(await views.dump()).toEqual(before);
      }));

    it('move the checkpoint over appends of other streams', () =>
      withViews(async (views) => {
        expect(await views.apply({ after: LOG_START, through: 77 as Position, commits: [] })).toEqual({
          status: 'applied',
          checkpoint: 77,
        });
      }));
  });

  describe(`${name}: a poison event`, () => {
    it('parks its stream with what came before it, and the other streams go on', () =>
      withViews(async (views) => {
        const log = new TestLog();
        const poison = { type: 'RunLevitated', v: 1, data: '{}' };
        await log.append('bad', [started('bad'), entered('a'), poison, entered('b')]);
        await log.append('good', [started('good'), completed]);
        await log.append('bad', [cancelled, completed]);
        await applyAll(views, await log.commits());
        expect(itemsOf(await views.listRuns(NEWEST))).toMatchObject([
          { key: 'good', status: 'completed' },
          { key: 'bad', status: 'running', revision: 1 },
        ]);
        const [first] = await log.commits();
        expect(await views.parked()).toEqual([
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
      withViews(async (views) => {
        const log = new TestLog();
        await log.append('bad', [{ type: 'RunFailed', v: 1, data: '{}' }]);
        await applyAll(views, await log.commits());
        await views.reopen();
        await log.append('bad', [completed]);
        await applyAll(views, await log.commits());
        expect(await views.parked()).toMatchObject([{ eventType: 'RunFailed', skipped: 2 }]);
      }));

    it('may be an append that cannot be read at all', () =>
      withViews(async (views) => {
        const log = new TestLog();
        await log.append('bad', [started('bad')]);
        const [commit] = await log.commits();
        await applyAll(views, [{ ...commit!, packed: '{"envelope":{},"ev' }]);
        expect(await views.parked()).toMatchObject([{ revision: 0, skipped: 1 }]);
        expect(await views.checkpoint()).toBe(commit!.position);
      }));
  });
};
