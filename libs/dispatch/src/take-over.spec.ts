import { afterEach, describe, expect, it } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ALL_SHARDS, encodeRunEvent, MemoryEventStore, NO_STREAM, runStream } from '#event-store';
import type { Position, Revision } from '#event-store';
import { silentLog } from '#runtime';
import { runIdOf as engineRunIdOf, start } from '../../engine/src/testing/engine-world.js';
import { appendEnd, appendReopening, appendRun } from '../../engine/src/testing/finished-runs.js';
import { MemoryOpenRuns, type OpenRun, type OpenRuns } from './open-runs/open-runs.js';
import { SqliteOpenRuns } from './open-runs/sqlite/sqlite-open-runs.js';
import { takeOver } from './take-over.js';
import { Application, DispatchWorld, json, runIdOf, stepPlan } from './testing/dispatch-world.js';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const sqliteTable = (): OpenRuns => {
  const folder = mkdtempSync(join(tmpdir(), 'open-runs-'));
  const table = new SqliteOpenRuns(join(folder, 'open-runs.sqlite'));
  closing.push(
    () => rmSync(folder, { recursive: true }),
    () => table.stop(),
  );
  return table;
};

const all = (table: OpenRuns): Promise<readonly OpenRun[]> => table.due(ALL_SHARDS, Infinity, null, 100);
const FAR_MS = 3_600_000;

describe.each([
  ['in memory', () => new MemoryOpenRuns()],
  ['in SQLite', sqliteTable],
])('the table of open runs, %s', (_name, make) => {
  it('pages through what is due in order, and keeps rows and checkpoint together', async () => {
    const table = make();
    await table.start();
    expect((await table.checkpoints(ALL_SHARDS)).size).toBe(0);
    const rows = [5, 3, 9, 3].map((dueMs, index) => ({ runId: runIdOf(`r${index}`), dueMs }));
    await table.write({ open: rows, ended: [], checkpoint: 7 as Position, shards: ALL_SHARDS });
    const sorted = [...rows].sort((a, b) => a.dueMs - b.dueMs || (a.runId < b.runId ? -1 : 1));
    expect(await table.due(ALL_SHARDS, 9, null, 2)).toEqual(sorted.slice(0, 2));
    expect(await table.due(ALL_SHARDS, 9, sorted[1]!, 2)).toEqual(sorted.slice(2, 3));
    await table.write({
      open: [{ runId: rows[0]!.runId, dueMs: 1 }],
      ended: [rows[2]!.runId],
      checkpoint: 8 as Position,
      shards: ALL_SHARDS,
    });
    expect(await table.count(ALL_SHARDS)).toBe(3);
    expect((await all(table))[0]).toEqual({ runId: rows[0]!.runId, dueMs: 1 });
  });

  it('takes no checkpoint back, and gives a row once however often it was written', async () => {
    const table = make();
    await table.start();
    const runId = runIdOf('a');
    for (const [dueMs, checkpoint] of [
      [5, 9],
      [7, 4],
      [5, 6],
    ] as const) {
      await table.write({
        open: [{ runId, dueMs }],
        ended: [],
        checkpoint: checkpoint as Position,
        shards: ALL_SHARDS,
      });
      await table.due(ALL_SHARDS, 9, null, 9);
    }
    expect(new Set((await table.checkpoints(ALL_SHARDS)).values())).toEqual(new Set([9]));
    expect(await all(table)).toEqual([{ runId, dueMs: 5 }]);
  });

  it('is made anew from the log: open runs with their dues, none that ended', async () => {
    const app = new Application().on('/later', (_request, response) => json(response, 503, {}));
    const url = await app.start();
    closing.push(() => app.stop());
    const later = new DispatchWorld(stepPlan(`${url}/later`, {}, { initialIntervalMs: FAR_MS, maxIntervalMs: FAR_MS }));
    await later.start();
    for (const key of ['a', 'b']) await later.startRun(key);
    while (app.requests.length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
    await later.engine.cancel(runIdOf('b'), null, { actor: null, traceparent: null });
    // Ended runs are told of still.
    expect(await later.startRun('b')).toMatchObject({ status: 'replayed' });
    while ((await later.engine.load(runIdOf('a')))?.run.steps.get('only')?.status !== 'waiting-retry')
      await new Promise((resolve) => setTimeout(resolve, 5));
    const retryAt = (await later.engine.load(runIdOf('a')))!.run.steps.get('only')!.retryAt!;
    await later.dispatcher.stop();
    const table = make();
    await table.start();
    await takeOver(later.store, table, silentLog, ALL_SHARDS);
    expect(await all(table)).toEqual([{ runId: runIdOf('a'), dueMs: Date.parse(retryAt) }]);
  });

  it('has a run that was opened again after its end, be it made anew or brought up to date', async () => {
    const [store, table, anew] = [new MemoryEventStore(), make(), make()];
    await Promise.all([table.start(), anew.start()]);
    for (const key of ['stays', 'again', 'twice']) await appendRun(store, key);
    await takeOver(store, table, silentLog, ALL_SHARDS);
    expect(await all(table)).toEqual([]);
    await appendReopening(store, 'again', 3);
    await appendReopening(store, 'twice', 3);
    await appendEnd(store, 'twice', 4);
    for (const which of [table, anew]) {
      await takeOver(store, which, silentLog, ALL_SHARDS);
      expect(await all(which)).toEqual([{ runId: engineRunIdOf('again'), dueMs: 0 }]);
    }
  });

  it('goes on from its checkpoint, and has a retry made that fell due while nobody was there', async () => {
    const app = new Application().on('/', (_request, response) =>
      json(response, app.requests.length > 1 ? 200 : 503, 'late'),
    );
    const url = await app.start();
    closing.push(() => app.stop());
    const plan = stepPlan(`${url}/`, {}, { initialIntervalMs: 1_500 });
    const store = new MemoryEventStore();
    const table = make();
    const first = await new DispatchWorld(plan, { store, openRuns: table }).start();
    await first.startRun('a');
    while ((await first.engine.load(runIdOf('a')))?.run.steps.get('only')?.status !== 'waiting-retry')
      await new Promise((resolve) => setTimeout(resolve, 5));
    await first.dispatcher.stop();
    await new Promise((resolve) => setTimeout(resolve, 1_600));
    const second = await new DispatchWorld(plan, { store, openRuns: table }).start();
    closing.push(() => second.dispatcher.stop());
    expect((await second.ended('a'))?.run).toMatchObject({ status: 'completed', output: '"late"' });
  });
});

describe('takeOver', () => {
  it('finds nothing open in a run that was archived since the checkpoint', async () => {
    const store = new MemoryEventStore();
    await appendRun(store, 'a', { events: 4 });
    const table = new MemoryOpenRuns();
    await table.write({ open: [], ended: [], checkpoint: await store.head(), shards: ALL_SHARDS });
    const { timeoutMs: _timeoutMs, type: _type, ...known } = start('a');
    const ended = { status: 'completed', startedAt: '', finishedAt: '', events: 4, file: 'f' } as const;
    const envelope = { commandId: '1', recordedAt: '2026-01-01T00:00:00.000Z', actor: null, traceparent: null };
    const stub = encodeRunEvent({ type: 'RunArchived', ...known, ...ended });
    const outcome = await store.archive(runStream(engineRunIdOf('a')), 3 as Revision, stub, envelope);
    expect(outcome.status).toBe('appended');
    await takeOver(store, table, silentLog, ALL_SHARDS);
    expect(await table.count(ALL_SHARDS)).toBe(0);
  });

  it('warns of a table that is ahead of the log, as after a restore of an older one, and makes it anew', async () => {
    const store = new MemoryEventStore();
    await appendRun(store, 'a', { ended: false });
    const table = new MemoryOpenRuns();
    const gone = { runId: runIdOf('gone'), dueMs: 0 };
    await table.write({ open: [gone], ended: [], checkpoint: 90_000 as Position, shards: ALL_SHARDS });
    const warnings: string[] = [];
    const log = { ...silentLog, warn: (message: string) => warnings.push(message) };
    const head = await takeOver(store, table, log, ALL_SHARDS);
    expect(warnings).toEqual([expect.stringContaining('ahead of the log')]);
    expect(head).toBe(await store.head());
    expect(new Set((await table.checkpoints(ALL_SHARDS)).values())).toEqual(new Set([head]));
    const due = await table.due(ALL_SHARDS, Infinity, null, 10);
    expect(due.map(({ runId }) => runId)).toEqual([engineRunIdOf('a')]);
  });

  it('moves the checkpoint with the last of the rows, so that a stop in between loses none', async () => {
    const store = new MemoryEventStore();
    const envelope = { commandId: 'c', recordedAt: '2026-01-01T00:00:00.000Z', actor: null, traceparent: null };
    const events = [{ type: 'RunStarted', v: 1, data: '{}' }];
    for (let index = 0; index < 20_001; index++) {
      const stream = runStream(runIdOf(`r${index}`));
      store.append({ stream, expected: NO_STREAM, events, envelope }, () => undefined);
    }
    const table = new MemoryOpenRuns();
    const write = table.write.bind(table);
    let writes = 0;
    table.write = (batch) => (++writes === 2 ? Promise.reject(new Error('stopped')) : write(batch));
    await expect(takeOver(store, table, silentLog, ALL_SHARDS)).rejects.toThrow('stopped');
    expect(await table.count(ALL_SHARDS)).toBe(20_000);
    await takeOver(store, table, silentLog, ALL_SHARDS);
    expect(await table.count(ALL_SHARDS)).toBe(20_001);
  });
});
