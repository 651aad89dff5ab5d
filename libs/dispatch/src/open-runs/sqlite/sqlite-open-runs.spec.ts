import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Worker } from 'node:worker_threads';
import type { Position } from '#event-store';
import { SqliteOpenRuns } from './sqlite-open-runs.js';

let folder = '';
let file = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'open-runs-'));
  file = join(folder, 'open-runs.sqlite');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('SqliteOpenRuns', () => {
  it('begins anew on a file that is no database, as if the table were lost', async () => {
    writeFileSync(file, 'what a torn disk left'.repeat(1_000));
    const table = new SqliteOpenRuns(file);
    expect(await table.start()).toBeNull();
    await table.write({ open: [], ended: [], checkpoint: 7 as Position });
    await table.stop();
    const again = new SqliteOpenRuns(file);
    expect(await again.start()).toBe(7);
    await again.stop();
  });

  it('refuses every question once its thread has ended, and stops', async () => {
    const table = new SqliteOpenRuns(file);
    await table.start();
    const { worker } = table as unknown as { worker: Worker };
    const asked = table.count();
    await worker.terminate();
    await Promise.allSettled([asked]);
    await expect(table.count()).rejects.toThrow('closed');
    await table.stop();
  });
});
