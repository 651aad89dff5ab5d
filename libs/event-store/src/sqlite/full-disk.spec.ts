import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { cpSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AppendOutcome, Revision, StreamName } from '../event-store.js';
import { LogFull } from '../event-store.js';
import { fillDisk, smallDisk } from '../../../../test/support/small-disk.js';
import { LogWriter, type Batch } from './log-writer.js';
import { openSqliteLogReader } from './log-reader.js';
import { SqliteEventStore } from './sqlite-event-store.js';

const A = 'a' as StreamName;
const DISK_BYTES = 4 * 1024 * 1024;

/** One append to `A`, after so many. */
const batchOf = (index: number, text: string): Batch => {
  const packed = `{"envelope":{"commandId":"c${index}"},"events":[{"type":"Noted","v":1,"data":"${text}"}]}`;
  return { streams: [A], expected: [index - 1], counts: [1], packed: [packed], archives: [] };
};

const thrownBy = (call: () => unknown): unknown => {
  try {
    call();
    return null;
  } catch (error) {
    return error;
  }
};
// Whatever is thrown may be asked for its code.
const codeOf = (error: unknown): unknown => (error as { code?: unknown } | null)?.code;

/** The log on a disk of a few megabytes, which is really full: every write that needs a page gets ENOSPC. */
describe('the SQLite log on a full disk', () => {
  const disk = smallDisk(DISK_BYTES);
  const folder = (): string => join(disk(), 'data');
  let stores: SqliteEventStore[];
  let fatal: unknown[];
  beforeEach(() => {
    stores = [];
    fatal = [];
  });
  afterEach(async () => {
    for (const store of stores) await store.stop();
    if (fatal.length > 0) throw fatal[0];
  });

  const started = async (): Promise<SqliteEventStore> => {
    const store = new SqliteEventStore({ folder: folder(), onFatal: (error) => fatal.push(error) });
    stores.push(store);
    await store.start();
    return store;
  };
  let commands = 0;
  const append = (store: SqliteEventStore, expected: number, text: string, stream = A): Promise<AppendOutcome> =>
    new Promise((resolve) => {
      const envelope = { commandId: `c${++commands}`, recordedAt: '', actor: null, traceparent: null };
      const events = [{ type: 'Noted', v: 1, data: JSON.stringify(text) }];
      store.append({ stream, expected: expected as Revision, events, envelope }, resolve);
    });
  const textsIn = async (store: SqliteEventStore, stream = A) =>
    (await store.readStream(stream)).map(({ data }) => JSON.parse(data) as unknown);
  const LARGE = 'x'.repeat(100_000);

  /** Appends until there is no room; how many are in the log then. */
  const appendUntilFull = async (store: SqliteEventStore): Promise<number> => {
    for (let count = 0; ; count++) {
      const outcome = await append(store, count - 1, LARGE);
      if (outcome.status === 'appended') continue;
      expect(outcome).toMatchObject({ status: 'refused', fault: { code: 'storage-full', retryable: true } });
      return count;
    }
  };

  it('refuses what has no room, goes on reading, and takes appends again by itself when there is room', async () => {
    const store = await started();
    const free = fillDisk(disk(), 1024 * 1024);
    const count = await appendUntilFull(store);
    expect(count).toBeGreaterThan(3);
    for (let again = 0; again < 5; again++) {
      const both = await Promise.all([append(store, count - 1, LARGE), append(store, -1, LARGE, 'b' as StreamName)]);
      expect(both.map(({ status }) => status)).toEqual(['refused', 'refused']);
    }
    expect(await textsIn(store)).toHaveLength(count);
    expect(await textsIn(store, 'b' as StreamName)).toEqual([]);
    free();
    expect(await append(store, count - 1, 'more')).toMatchObject({ status: 'appended', revision: count });
    expect(await append(store, -1, 'new', 'b' as StreamName)).toMatchObject({ status: 'appended', revision: 0 });
    expect((await textsIn(store)).at(-1)).toBe('more');
    expect(await textsIn(store, 'b' as StreamName)).toEqual(['new']);
  });

  it('stops and starts on a full disk, and serves reads from it', async () => {
    const first = await started();
    const free = fillDisk(disk(), 1024 * 1024);
    const count = await appendUntilFull(first);
    await first.stop();
    fillDisk(disk(), 0);
    const second = await started();
    expect(await textsIn(second)).toHaveLength(count);
    expect(await append(second, count - 1, LARGE)).toMatchObject({ status: 'refused' });
    free();
    expect(await append(second, count - 1, 'more')).toMatchObject({ status: 'appended' });
  });

  it('starts on a disk that others have filled after a clean stop', async () => {
    const first = await started();
    await append(first, -1, 'one');
    await first.stop();
    fillDisk(disk(), 0);
    const second = await started();
    expect(await textsIn(second)).toEqual(['one']);
    expect(await append(second, 0, LARGE)).toMatchObject({ status: 'refused' });
  });

  it('holds nothing of what was refused, whatever a crash finds in its WAL', async () => {
    const copy = mkdtempSync(join(tmpdir(), 'stepwell-full-'));
    const batch = (index: number): Batch => batchOf(index, LARGE);
    try {
      const writer = new LogWriter({ folder: folder(), lockWaitMs: 0, walPages: 8192 });
      let refused = 0;
      // Each time with another amount of room, so that the writes are cut at other places.
      for (let index = 0; index < 12; index++) {
        writer.commit(batch(index));
        const free = fillDisk(disk(), index * 8192);
        const thrown = thrownBy(() => writer.commit(batch(index + 1)));
        // First what SQLite says, since it is not always the same that is out of room.
        expect([index, codeOf(thrown), thrown]).toEqual([index, 'storage-full', expect.any(LogFull)]);
        refused += 1;
        const found = join(copy, String(index));
        cpSync(folder(), found, { recursive: true });
        const reader = openSqliteLogReader(found);
        expect(await reader.readStream(A)).toHaveLength(index + 1);
        reader.close();
        free();
      }
      expect(refused).toBe(12);
      writer.close();
    } finally {
      rmSync(copy, { recursive: true });
    }
  });
});

/** SQLite's index of the WAL has room for so many pages before it must grow. */
const FRAMES_OF_AN_INDEX_PAGE = 4_062;
const FRAME_BYTES = 4_120;

describe('the SQLite log whose WAL passes 16 MB as the disk gets full', () => {
  const disk = smallDisk(24 * 1024 * 1024);

  it('is in doubt of the last batch, and starts on the full disk with all that was acknowledged', async () => {
    const folder = join(disk(), 'data');
    const text = 'x'.repeat(10_000);
    const writer = new LogWriter({ folder, lockWaitMs: 0, walPages: 8192 });
    let acknowledged = 0;
    const framesLeft = (): number =>
      FRAMES_OF_AN_INDEX_PAGE - Math.floor(statSync(join(folder, 'events.db-wal')).size / FRAME_BYTES);
    do writer.commit(batchOf(acknowledged++, text));
    while (framesLeft() > 3);
    // Enough for the frames of one batch, and not for 32 KB of the index behind it.
    const free = fillDisk(disk(), 28 * 1024);
    expect(codeOf(thrownBy(() => writer.commit(batchOf(acknowledged, text))))).toBe('SQLITE_IOERR_SHMSIZE');
    // As the process does that ends with it: the locks are gone, and nothing is put in order.
    writer.abandon();
    fillDisk(disk(), 0);

    const fatal: unknown[] = [];
    const store = new SqliteEventStore({ folder, onFatal: (error) => fatal.push(error) });
    await store.start();
    try {
      const { length } = await store.readStream(A);
      expect([acknowledged, acknowledged + 1]).toContain(length);
      free();
      const envelope = { commandId: 'after', recordedAt: '', actor: null, traceparent: null };
      const events = [{ type: 'Noted', v: 1, data: '1' }];
      const append = { stream: A, expected: (length - 1) as Revision, events, envelope };
      expect(await new Promise((resolve) => store.append(append, resolve))).toMatchObject({ status: 'appended' });
    } finally {
      await store.stop();
    }
    expect(fatal).toEqual([]);
    // What was spent is kept anew.
    new LogWriter({ folder, lockWaitMs: 0, walPages: 8192 }).close();
    expect(statSync(join(folder, 'events.spare')).size).toBeGreaterThan(0);
  });
});
