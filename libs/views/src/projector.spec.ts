import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Position } from '#event-store';
import { LOG_START, runStream } from '#event-store';
import { systemClock } from '#runtime';
import { eventually } from '../../../test/support/pause.js';
import {
  BUSY_COMMITS,
  BUSY_GATHER_MS,
  GATHER_MS,
  GATHERED_COMMITS,
  Projector,
  RESTART_DELAY_MS_MIN,
} from './projector.js';
import { SqliteViews } from './sqlite/sqlite-views.js';
import { itemsOf } from './testing/files.js';
import { TestLog, completed, runIdFor, started, threeStepFlow } from './testing/histories.js';
import { InlineViewStore } from './testing/inline-view-store.js';

const NEWEST = { order: 'desc', limit: 100 } as const;
const LONG_MS = 5_000;

describe('the projector', () => {
  let folder: string;
  let log: TestLog;
  let views: InlineViewStore;
  let projector: Projector;
  let faults: string[];

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'stepwell-views-'));
    log = new TestLog();
    views = new InlineViewStore(join(folder, 'set.sqlite'));
    faults = [];
    projector = new Projector(log.store, views, systemClock, { onFault: (error) => faults.push(String(error)) });
  });

  afterEach(async () => {
    await projector.stop();
    await views.stop();
    rmSync(folder, { recursive: true });
  });

  const keys = async (): Promise<string[]> => itemsOf(await views.listRuns(NEWEST)).map(({ key }) => key);
  const caughtUp = async (): Promise<boolean> => projector.waitFor(await log.store.head(), LONG_MS);

  it('writes what is in the log, and then what comes', async () => {
    await log.append('one', [started('one')]);
    await projector.start();
    expect(await caughtUp()).toBe(true);
    expect(await keys()).toEqual(['one']);
    await log.append('two', [started('two')]);
    expect(await caughtUp()).toBe(true);
    expect(await keys()).toEqual(['two', 'one']);
    expect(projector.lag).toEqual({ events: 0, seconds: 0, caughtUp: true });
  });

  it('gathers when nobody waits, so that a short run is written once', async () => {
    await projector.start();
    for (const events of threeStepFlow('one')) await log.append('one', events);
    await new Promise((resolve) => systemClock.after(GATHER_MS * 2.5, () => resolve(null)));
    expect(projector.checkpoint).toBe(await log.store.head());
    expect(views.batches.filter(({ commits }) => commits.length > 0).map(({ commits }) => commits.length)).toEqual([4]);
  });

  it('gathers for longer under load, and not without end', async () => {
    await projector.start();
    const startMs = systemClock.monotonicMs();
    for (let run = 0; run < BUSY_COMMITS; run++) await log.append(`run ${run}`, [started(`run ${run}`)]);
    const head = await log.store.head();
    const written = async () => (projector.checkpoint === head ? true : null);
    await eventually('the load in the views', written, 2 * BUSY_GATHER_MS);
    expect(systemClock.monotonicMs() - startMs).toBeGreaterThan(0.9 * BUSY_GATHER_MS);
    const full = views.batches.filter(({ commits }) => commits.length > 0).map(({ commits }) => commits.length);
    expect(full).toEqual([BUSY_COMMITS]);
  });

  it('gathers under load for as long as it is told', async () => {
    const busyGatherMs = 0.3 * BUSY_GATHER_MS;
    projector = new Projector(log.store, views, systemClock, { busyGatherMs });
    await projector.start();
    const startMs = systemClock.monotonicMs();
    for (let run = 0; run < BUSY_COMMITS; run++) await log.append(`run ${run}`, [started(`run ${run}`)]);
    const head = await log.store.head();
    await eventually('the load in the views', async () => (projector.checkpoint === head ? true : null));
    const tookMs = systemClock.monotonicMs() - startMs;
    expect(tookMs).toBeGreaterThan(0.9 * busyGatherMs);
    expect(tookMs).toBeLessThan(0.9 * BUSY_GATHER_MS);
  });

  it('hears of appends together under load, and of each at once when the load is over or somebody waits', async () => {
    const gatherMs: (() => number)[] = [];
    const subscribe = log.store.subscribe.bind(log.store);
    log.store.subscribe = (after, options) => {
      gatherMs.push(options.gatherMs!);
      return subscribe(after, options);
    };
    await projector.start();
    for (let run = 0; run < GATHERED_COMMITS - 1; run++) await log.append(`run ${run}`, [started(`run ${run}`)]);
    await caughtUp();
    expect(gatherMs.map((ask) => ask())).toEqual([0]);
    for (let run = 0; run < GATHERED_COMMITS; run++) await log.append(`more ${run}`, [started(`more ${run}`)]);
    await caughtUp();
    expect(gatherMs[0]!()).toBeGreaterThan(0);
    const waiting = projector.waitFor(1_000_000 as Position, LONG_MS);
    expect(gatherMs[0]!()).toBe(0);
    await projector.stop();
    await waiting;
    await projector.start();
    await log.append('last', [started('last')]);
    await caughtUp();
    expect(gatherMs.at(-1)!()).toBe(0);
  });

  it('lets nobody wait under load either', async () => {
    await projector.start();
    const startMs = systemClock.monotonicMs();
    for (let run = 0; run < BUSY_COMMITS; run++) await log.append(`run ${run}`, [started(`run ${run}`)]);
    expect(await caughtUp()).toBe(true);
    expect(systemClock.monotonicMs() - startMs).toBeLessThan(0.9 * BUSY_GATHER_MS);
  });

  it('writes at once when somebody waits or hurries', async () => {
    await projector.start();
    const startMs = systemClock.monotonicMs();
    for (let run = 0; run < 20; run++) {
      await log.append(`run ${run}`, [started(`run ${run}`)]);
      expect(await caughtUp()).toBe(true);
    }
    expect(systemClock.monotonicMs() - startMs).toBeLessThan(GATHER_MS * 10);
  });

  it('tells those who wait too long for a position, and lets them go when it stops', async () => {
    await projector.start();
    expect(await projector.waitFor(1_000 as Position, 20)).toBe(false);
    const waiting = projector.waitFor(1_000 as Position, 60_000);
    await projector.stop();
    expect(await waiting).toBe(false);
    expect(await projector.waitFor(1_000 as Position, 60_000)).toBe(false);
  });

  it('passes over streams that are no runs, and waits for their positions too', async () => {
    await projector.start();
    await log.append('catalogue', [{ type: 'WorkflowPublished', v: 1, data: '{}' }]);
    expect(await caughtUp()).toBe(true);
    expect(views.batches.flatMap(({ commits }) => commits)).toEqual([]);
    expect(await views.parked()).toEqual([]);
  });

  it("leaves other applications' streams alone", async () => {
    await log.append('one', [started('one')]);
    await projector.start();
    expect(await caughtUp()).toBe(true);
    const ours = projector.checkpoint;
    await log.append('orders-1', [{ type: 'OrderPlaced', v: 1, data: '{}' }]);
    await new Promise((resolve) => systemClock.after(GATHER_MS * 2.5, () => resolve(null)));
    expect(projector.checkpoint).toBe(ours);
    await log.append('two', [started('two')]);
    expect(await caughtUp()).toBe(true);
    expect(await keys()).toEqual(['two', 'one']);
  });

  it('goes on from the checkpoint after the views have failed, and says so', async () => {
    await projector.start();
    await log.append('one', [started('one')]);
    await caughtUp();
    views.failures = 2;
    await log.append('one', [completed]);
    await log.append('two', [started('two')]);
    expect(await caughtUp()).toBe(true);
    expect(itemsOf(await views.listRuns(NEWEST))).toMatchObject([{ key: 'two' }, { key: 'one', status: 'completed' }]);
    expect(faults).toEqual(Array(2).fill('Error: broken by the test'));
  });

  it('reads again from the checkpoint of another set that has taken the place of its own', async () => {
    await projector.start();
    for (const name of ['one', 'two', 'three']) await log.append(name, [started(name)]);
    await caughtUp();
    const older = await SqliteViews.open(join(folder, 'other.sqlite'));
    const [first] = await log.commits();
    older.apply({ after: LOG_START, through: first!.position, commits: [first!] });
    older.close();
    await views.stop();
    views.file = join(folder, 'other.sqlite');
    await views.start();
    await log.append('four', [started('four')]);
    expect(await caughtUp()).toBe(true);
    expect(await keys()).toEqual(['four', 'three', 'two', 'one']);
    expect(faults).toEqual([]);
  });

  it('refuses to go on with views that have seen more than the log holds', async () => {
    await views.start();
    await views.apply({ after: LOG_START, through: 9_999 as Position, commits: [] });
    await log.append('one', [started('one')]);
    await projector.start();
    await new Promise((resolve) => systemClock.after(RESTART_DELAY_MS_MIN / 2, () => resolve(null)));
    expect(faults[0]).toContain('the views stand at 9999, the log ends at 256: rebuild the views');
  });

  it('parks the stream of a poison event, and shows it', async () => {
    await projector.start();
    await log.append('bad', [started('bad'), { type: 'RunLevitated', v: 1, data: '{}' }]);
    await log.append('good', [started('good')]);
    await caughtUp();
    expect(await keys()).toEqual(['good', 'bad']);
    expect(await views.parked()).toMatchObject([{ stream: runStream(runIdFor('bad')), eventType: 'RunLevitated' }]);
  });

  it('holds no more than about one batch while the store is slow', async () => {
    const apply = views.apply.bind(views);
    let release = (): void => {};
    const gate = new Promise<void>((resolve) => (release = resolve));
    views.apply = async (batch) => {
      await gate;
      return apply(batch);
    };
    const small = new Projector(log.store, views, systemClock, { batchCommitsMax: 10 });
    for (let run = 0; run < 2_000; run++) await log.append(`run ${run}`, [started(`run ${run}`)]);
    await small.start();
    const waiting = small.waitFor(await log.store.head(), LONG_MS);
    await new Promise((resolve) => systemClock.after(50, () => resolve(null)));
    expect(small.lag.events).toBeLessThan(1_100);
    release();
    expect(await waiting).toBe(true);
    expect(itemsOf(await views.listRuns({ order: 'asc', limit: 3_000 }))).toHaveLength(2_000);
    await small.stop();
  });
});
