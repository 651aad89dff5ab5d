import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { testPostgres, type TestPostgres } from '../../../../test/support/postgres.js';
import { LOG_START } from '#event-store';
import { systemClock } from '#runtime';
import { logPages, type LogPages, type RebuildOptions, type RebuildProgress } from '../rebuild.js';
import { archive, contentsOf } from '../testing/archived-runs-contract.js';
import { itemsOf } from '../testing/files.js';
import { TestLog, started, threeStepFlow } from '../testing/histories.js';
import { dumpPostgres, withClient } from '../testing/postgres-test-views.js';
import { LeadingProjector } from './leading-projector.js';
import { PostgresViewStore } from './postgres-view-store.js';
import { rebuildPostgresViews } from './rebuild-postgres-views.js';
import { setName } from './views-schema.js';

const NEWEST = { order: 'desc', limit: 1_000 } as const;
const LONG_MS = 10_000;
const quiet = { onProgress: () => {}, signal: new AbortController().signal };

describe('a rebuild in Postgres', () => {
  let postgres: TestPostgres;
  let log: TestLog;
  let views: PostgresViewStore;
  let projector: LeadingProjector;

  beforeEach(async () => {
    postgres = await testPostgres('rebuild-postgres-views.spec');
    log = new TestLog();
    views = new PostgresViewStore(postgres.url);
    projector = new LeadingProjector(log.store, postgres.url, systemClock, { lock: { holder: 'one' } });
    await views.start();
  });

  afterEach(async () => {
    await projector.stop();
    await views.stop();
    await postgres.stop();
  });

  const flows = async (from: number, to: number): Promise<void> => {
    for (let run = from; run < to; run++)
      for (const events of threeStepFlow(`run ${run}`)) await log.append(`run ${run}`, events);
  };
  const caughtUp = async (): Promise<boolean> => views.waitFor(await log.store.head(), LONG_MS);
  const ask = <Row>(statement: string): Promise<Row[]> =>
    withClient(postgres.url, async (client) => (await client.query(statement)).rows as Row[]);
  const sets = async (): Promise<string[]> =>
    (
      await ask<{ nspname: string }>(
        `select nspname from pg_namespace where nspname like 'stepwell_views_%' order by 1`,
      )
    ).map(({ nspname }) => nspname);
  const pointer = async (): Promise<unknown> => (await ask('select current, previous from stepwell_views.sets'))[0];
  const rebuild = (options: RebuildOptions = quiet) => rebuildPostgresViews(logPages(log.store), postgres.url, options);

  it('gives the rows and the indexes of the kept set', async () => {
    await projector.start();
    // Steps of one run in several batches, of which the later ones go to the row of the first.
    for (const [index, events] of threeStepFlow('slow').entries()) {
      await log.append('slow', events);
      await flows(index * 10, index * 10 + 10);
      expect(await caughtUp()).toBe(true);
    }
    await log.append('bad', [started('bad'), { type: 'RunLevitated', v: 1, data: '{}' }]);
    expect(await caughtUp()).toBe(true);
    await projector.stop();
    const told: RebuildProgress[] = [];
    const result = await rebuild({ ...quiet, onProgress: (progress) => told.push(progress) });
    expect(result).toEqual({ status: 'switched', set: setName(2), events: 41 * 17 + 2 });
    expect(await pointer()).toEqual({ current: setName(2), previous: setName(1) });
    expect(await dumpPostgres(postgres.url, setName(2))).toEqual(await dumpPostgres(postgres.url, setName(1)));
    const shape = (set: string): Promise<unknown[]> =>
      ask(
        `select tablename, indexname, replace(indexdef, '${set}.', '') as definition from pg_indexes
         where schemaname = '${set}' order by 1, 2`,
      );
    expect(await shape(setName(2))).toEqual(await shape(setName(1)));
    expect(told.at(-1)).toMatchObject({ events: 699, share: 1, secondsLeft: 0 });
  });

  it('holds no archived run, nor what led to it, whether it came and went in one batch or in several', async () => {
    await projector.start();
    await flows(0, 3);
    await log.append('bad', [started('bad'), { type: 'RunLevitated', v: 1, data: '{}' }]);
    await caughtUp();
    const before = await log.commits();
    await archive(log, 'run 1', 17);
    await archive(log, 'bad', 2);
    expect(await caughtUp()).toBe(true);
    await projector.stop();
    // As of a log that has not freed the space yet.
    const all = [...before, ...(await log.commits()).filter(({ position }) => position > before.at(-1)!.position)];
    const whole: LogPages = {
      head: () => log.store.head(),
      page: (after) => {
        const commits = all.filter(({ position }) => position > after).slice(0, 5);
        return { commits, scannedTo: commits.at(-1)?.position ?? after, atEnd: commits.length === 0 };
      },
    };
    const kept = await dumpPostgres(postgres.url, setName(1));
    expect(kept['runs']).toHaveLength(2);
    await rebuildPostgresViews(whole, postgres.url, quiet);
    await rebuildPostgresViews(whole, postgres.url, { ...quiet, batchCommits: 1 });
    for (const number of [2, 3]) expect(await dumpPostgres(postgres.url, setName(number))).toEqual(kept);
    await rebuild();
    expect(contentsOf(await dumpPostgres(postgres.url, setName(4)))).toEqual(contentsOf(kept));
  });

  it('gives the same rows in batches of any size', async () => {
    await flows(0, 30);
    await rebuild();
    await rebuild({ ...quiet, batchCommits: 1 });
    expect(await dumpPostgres(postgres.url, setName(3))).toEqual(await dumpPostgres(postgres.url, setName(2)));
  });

  it('is taken up by readers and by the projector, and no reader goes back', async () => {
    await projector.start();
    await flows(0, 20);
    await caughtUp();
    // What only the old set has, to tell the two apart.
    await ask(`update ${setName(1)}.runs set requestor = 'old set'`);
    let seen = 20;
    let reading = true;
    const reader = (async (): Promise<void> => {
      while (reading) {
        const runs = itemsOf(await views.listRuns(NEWEST)).length;
        expect(runs).toBeGreaterThanOrEqual(seen);
        seen = runs;
      }
    })();
    const rebuilding = rebuild();
    await flows(20, 60);
    expect(await rebuilding).toMatchObject({ status: 'switched', set: setName(2) });
    await flows(60, 70);
    expect(await caughtUp()).toBe(true);
    reading = false;
    await reader;
    const items = itemsOf(await views.listRuns(NEWEST));
    expect(items).toHaveLength(70);
    expect(items.filter(({ requestor, status }) => requestor !== null || status !== 'completed')).toEqual([]);
    expect((await dumpPostgres(postgres.url, setName(2)))['runs']).toHaveLength(70);
  });

  /** The log, which does something each time that its end has been read. */
  const atEnds = (...calls: (() => Promise<void>)[]): LogPages => {
    const pages = logPages(log.store);
    return {
      head: () => pages.head(),
      page: async (after) => {
        const page = await pages.page(after);
        if (page.atEnd) await calls.shift()?.();
        return page;
      },
    };
  };

  const nothing = async (): Promise<void> => {};

  it('has what the old set has come to hold meanwhile when it takes its place', async () => {
    await projector.start();
    await flows(0, 5);
    const grown = atEnds(async () => {
      await flows(5, 9);
      await caughtUp();
      await projector.stop();
    });
    await rebuildPostgresViews(grown, postgres.url, quiet);
    expect(itemsOf(await views.listRuns(NEWEST))).toHaveLength(9);
  });

  it('lets nothing more into the old set from then on', async () => {
    await projector.start();
    await flows(0, 5);
    let written: boolean | null = null;
    const grown = atEnds(nothing, nothing, async () => {
      await flows(5, 9);
      written = await views.waitFor(await log.store.head(), 300);
    });
    await rebuildPostgresViews(grown, postgres.url, quiet);
    expect(written).toBe(false);
    expect(await caughtUp()).toBe(true);
    expect(itemsOf(await views.listRuns(NEWEST))).toHaveLength(9);
    expect((await dumpPostgres(postgres.url, setName(1)))['runs']).not.toHaveLength(9);
  });

  it('is ended by the server when it falls silent with the lock of the served set, which then is written again', async () => {
    await projector.start();
    await flows(0, 5);
    const silent = atEnds(nothing, nothing, () => new Promise((resolve) => systemClock.after(1_000, () => resolve())));
    const rebuilding = rebuildPostgresViews(silent, postgres.url, { ...quiet, lockedMsMax: 300 });
    await expect(rebuilding).rejects.toThrow(/connection/i);
    await flows(5, 9);
    expect(await caughtUp()).toBe(true);
    expect(await pointer()).toEqual({ current: setName(1), previous: null });
    expect(await rebuild()).toMatchObject({ status: 'switched' });
  });

  it('that is interrupted leaves the views as they were', async () => {
    await flows(0, 3);
    expect(await rebuild({ ...quiet, signal: AbortSignal.abort() })).toEqual({ status: 'interrupted' });
    expect(await pointer()).toEqual({ current: setName(1), previous: null });
    expect(await sets()).toEqual([setName(1)]);
    expect(await views.checkpoint()).toBe(LOG_START);
  });

  it('keeps the set before for rolling back, and removes older and half-built ones', async () => {
    await flows(0, 3);
    for (const number of [2, 3, 4]) expect(await rebuild()).toMatchObject({ set: setName(number) });
    await ask(`create schema ${setName(9)}; create table ${setName(9)}.half_built (x int)`);
    await ask('create schema stepwell_views_of_somebody');
    expect(await rebuild()).toMatchObject({ set: setName(5) });
    expect(await sets()).toEqual([setName(4), setName(5), 'stepwell_views_of_somebody']);
    // This reader was last asked two sets ago.
    expect(itemsOf(await views.listRuns(NEWEST))).toHaveLength(3);
  });

  it('is refused while another one runs', async () => {
    await flows(0, 3);
    let refusals = 0;
    const held = atEnds(async () => {
      await expect(rebuild()).rejects.toThrow('another rebuild of these views is under way');
      refusals += 1;
    });
    expect(await rebuildPostgresViews(held, postgres.url, quiet)).toMatchObject({ status: 'switched' });
    expect(refusals).toBe(1);
    expect(await rebuild()).toMatchObject({ status: 'switched' });
  });
});
