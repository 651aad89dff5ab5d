import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Worker } from 'node:worker_threads';
import { ALL_SHARDS, type Position } from '#event-store';
import { openRunsContract } from '../../testing/open-runs-contract.js';
import { SqliteOpenRuns } from './sqlite-open-runs.js';

let folder = '';
let file = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'open-runs-'));
  file = join(folder, 'open-runs.sqlite');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

openRunsContract('SqliteOpenRuns', async () => {
  let table = new SqliteOpenRuns(file);
  const reopen = async () => {
    await table.stop();
    table = new SqliteOpenRuns(file);
    await table.start();
    return table;
  };
  return { table, reopen, dispose: () => table.stop() };
});

describe('SqliteOpenRuns', () => {
  it('begins anew on a file that is no database, as if the table were lost', async () => {
    writeFileSync(file, 'what a torn disk left'.repeat(1_000));
    const table = new SqliteOpenRuns(file);
    await table.start();
    expect((await table.checkpoints(ALL_SHARDS)).size).toBe(0);
    await table.write({ open: [], ended: [], checkpoint: 7 as Position, shards: ALL_SHARDS });
    await table.stop();
    const again = new SqliteOpenRuns(file);
    await again.start();
    expect(new Set((await again.checkpoints(ALL_SHARDS)).values())).toEqual(new Set([7]));
    await again.stop();
  });

  it('refuses every question once its thread has ended, and stops', async () => {
    const table = new SqliteOpenRuns(file);
    await table.start();
    const { worker } = table as unknown as { worker: Worker };
    const asked = table.count(ALL_SHARDS);
    await worker.terminate();
    await Promise.allSettled([asked]);
    await expect(table.count(ALL_SHARDS)).rejects.toThrow('closed');
    await table.stop();
  });
});
