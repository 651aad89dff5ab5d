import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MemoryEventStore } from '#event-store';
import { silentLog, type Log } from '#runtime';
import { PostgresViewStore } from '#views';
import { appendRun } from '../../../libs/engine/src/testing/finished-runs.js';
import { testPostgres, type TestPostgres } from '../../../test/support/postgres.js';
import { retain } from './retention.js';

const AGE_MS = 3_600_000;

describe('retention in several projectors', () => {
  let postgres: TestPostgres;
  let folder: string;
  beforeAll(async () => {
    postgres = await testPostgres('retention.spec');
    folder = mkdtempSync(join(tmpdir(), 'stepwell-retention-'));
  });
  afterAll(async () => {
    rmSync(folder, { recursive: true });
    await postgres.stop();
  });

  const start = (store: MemoryEventStore, ageMs: number | null) => {
    let tell: () => void;
    const archived = new Promise<void>((resolve) => (tell = resolve));
    const log: Log = {
      ...silentLog,
      info: (message) => {
        if (message === 'finished runs were archived') tell();
      },
    };
    const retention = { ageMs, archiveDir: join(folder, 'archive'), runsPerSecond: 1_000 };
    return { lock: retain({ retention, views: { url: postgres.url } }, store, log), archived };
  };

  it('is of one at a time; another one goes on when that one stops', async () => {
    const store = new MemoryEventStore();
    await appendRun(store, 'a');
    const first = start(store, AGE_MS);
    await first.archived;
    const second = start(store, AGE_MS);
    expect([first.lock!.leads, second.lock!.leads]).toEqual([true, false]);
    await appendRun(store, 'b');
    await first.lock!.stop();
    await second.archived;
    expect([first.lock!.leads, second.lock!.leads]).toEqual([false, true]);
    await second.lock!.stop();
    const views = new PostgresViewStore(postgres.url);
    await views.start();
    expect(await views.leader('retention')).toMatchObject({ term: 2 });
    await views.stop();
    await store.stop();
  });

  it('asks for no lock where runs are kept for ever', () => {
    expect(start(new MemoryEventStore(), null).lock).toBeNull();
  });
});
