import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MemoryEventStore } from '#event-store';
import { instantOf, silentLog, systemClock, type Log } from '#runtime';
import { PostgresViewStore } from '#views';
import { appendRun } from '../../../libs/engine/src/testing/finished-runs.js';
import { testPostgres, type TestPostgres } from '../../../test/support/postgres.js';
import { retain } from './retention.js';

const HOUR_MS = 3_600_000;

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
    const ago = (ms: number): { at: string } => ({ at: instantOf(systemClock.nowMs() - ms) });
    await appendRun(store, 'a', ago(3 * HOUR_MS));
    // Too young for the first one, so that there is something left to do.
    await appendRun(store, 'b', ago(HOUR_MS));
    const first = start(store, 2 * HOUR_MS);
    await first.archived;
    const second = start(store, HOUR_MS / 2);
    expect([first.lock!.leads, second.lock!.leads]).toEqual([true, false]);
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
