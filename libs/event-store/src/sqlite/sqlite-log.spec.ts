import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import Sqlite from 'better-sqlite3';
import type { AppendOutcome, Revision, StreamName } from '../event-store.js';
import { LOG_START, NO_STREAM } from '../event-store.js';
import { logPath, LogUnusable, nameHash, openForWriting } from './log-file.js';
import { openSqliteLogReader } from './log-reader.js';
import { LogLocked, LogWriter } from './log-writer.js';
import { LogFailed, SqliteEventStore, type SqliteEventStoreOptions } from './sqlite-event-store.js';

const A = 'a' as StreamName;

describe('the SQLite log', () => {
  let folder: string;
  let stores: SqliteEventStore[];
  let fatal: unknown[];
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'stepwell-sqlite-'));
    stores = [];
    fatal = [];
  });
  afterEach(async () => {
    for (const store of stores) await store.stop();
    rmSync(folder, { recursive: true });
  });

  const open = (options: Partial<SqliteEventStoreOptions> = {}): SqliteEventStore => {
    const store = new SqliteEventStore({ folder, onFatal: (error) => fatal.push(error), ...options });
    stores.push(store);
    return store;
  };
  const started = async (options?: Partial<SqliteEventStoreOptions>): Promise<SqliteEventStore> => {
    const store = open(options);
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
  const outside = (act: (db: Sqlite.Database) => void): void => {
    const db = new Sqlite(logPath(folder));
    act(db);
    db.close();
  };

  it('refuses whoever would change or delete what is in it', async () => {
    const store = await started();
    await append(store, -1, 'one');
    outside((db) => {
      for (const sql of [
        'UPDATE appends SET packed = packed',
        'DELETE FROM appends',
        "UPDATE streams SET name = 'b'",
        'DELETE FROM streams',
      ]) {
        expect(() => db.exec(sql)).toThrow('the log is append-only');
      }
    });
    expect(await store.readStream(A)).toHaveLength(1);
  });

  it('writes through to the disk before it answers: WAL, with full synchronisation', () => {
    const db = openForWriting(join(folder, 'any.db'), 100);
    expect([db.pragma('journal_mode', { simple: true }), db.pragma('synchronous', { simple: true })]).toEqual([
      'wal',
      2,
    ]);
    db.close();
  });

  it('has one writer: a second waits for the lock, then refuses and names the folder', async () => {
    await started();
    const second = open({ lockWaitMs: 100 });
    const refusal = await second.start().catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(LogLocked);
    expect((refusal as Error).message).toContain(folder);
  });

  it('starts as soon as the one before has stopped', async () => {
    const first = await started();
    await append(first, -1, 'one');
    const second = open();
    const starting = second.start();
    await new Promise((resolve) => setTimeout(resolve, 100));
    await first.stop();
    await starting;
    expect(await second.readStream(A)).toHaveLength(1);
  });

  it('can be opened at once after its process was killed, with all that was answered', async () => {
    const index = new URL('../index.js', import.meta.url).href;
    const script = `
      const { SqliteEventStore } = await import(${JSON.stringify(index)});
      const store = new SqliteEventStore({ folder: ${JSON.stringify(folder)}, onFatal: () => {} });
      await store.start();
      const envelope = { commandId: 'c', recordedAt: '', actor: null, traceparent: null };
      const events = [{ type: 'Noted', v: 1, data: '1' }];
      store.append({ stream: 'a', expected: -1, events, envelope }, () => console.log('answered'));`;
    const file = join(folder, 'child.mjs');
    writeFileSync(file, script);
    const child = spawn(process.execPath, [file], { stdio: ['ignore', 'pipe', 'inherit'] });
    await new Promise((resolve) => child.stdout.once('data', resolve));
    await expect(started({ lockWaitMs: 0 })).rejects.toBeInstanceOf(LogLocked);
    const exited = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await exited;
    const store = await started({ lockWaitMs: 0 });
    expect(await store.readStream(A)).toHaveLength(1);
  });

  it('answers unknown and asks for the end of the process when a commit fails, and commits nothing after', async () => {
    const store = await started();
    await append(store, -1, 'one');
    outside((db) => db.exec('ALTER TABLE appends RENAME TO elsewhere'));
    const outcomes = await Promise.all([append(store, 0, 'two'), append(store, NO_STREAM, 'x', 'b' as StreamName)]);
    expect(outcomes.map((outcome) => outcome.status)).toEqual(['unknown', 'unknown']);
    expect(fatal).toEqual([expect.any(LogFailed)]);
    outside((db) => db.exec('ALTER TABLE elsewhere RENAME TO appends'));
    expect(await append(store, 0, 'three')).toMatchObject({ status: 'unknown', cause: expect.any(LogFailed) });
    await store.stop();
    const again = await started();
    expect((await again.readStream(A)).map((event) => event.data)).toEqual(['"one"']);
    expect(fatal).toHaveLength(1);
  });

  it('leaves a foreign file as it is, and one of another version', async () => {
    outside((db) => db.exec('CREATE TABLE theirs (x); PRAGMA user_version = 0'));
    const before = readFileSync(logPath(folder));
    await expect(started()).rejects.toBeInstanceOf(LogUnusable);
    outside((db) => expect(db.prepare('SELECT name FROM sqlite_schema').pluck().all()).toEqual(['theirs']));
    expect(before.length).toBeGreaterThan(0);
    rmSync(folder, { recursive: true });
    mkdirSync(folder);
    await (await started()).stop();
    for (const other of [1, 99]) {
      outside((db) => db.pragma(`user_version = ${other}`));
      await expect(started()).rejects.toThrow(`has schema ${other}; this version of Stepwell reads 2`);
    }
    writeFileSync(logPath(folder), 'not a database at all, but long enough to be taken for one'.repeat(100));
    await expect(started()).rejects.toThrow('not a database');
  });

  it('keeps two streams apart whose names share a hash', async () => {
    await (await started()).stop();
    outside((db) => db.prepare('INSERT INTO streams (name_hash, name) VALUES (?, ?)').run(nameHash(A), 'other'));
    const store = await started();
    expect(await append(store, -1, 'one')).toMatchObject({ status: 'appended', revision: 0 });
    expect(await store.readStream(A)).toHaveLength(1);
    expect(await store.readStream('other' as StreamName)).toEqual([]);
  });

  it('keeps its WAL within bounds, and leaves it empty when it stops', async () => {
    const store = await started({ walPages: 100 });
    for (let index = 0; index < 200; index++) await append(store, index - 1, 'x'.repeat(20_000));
    const wal = `${logPath(folder)}-wal`;
    expect(statSync(wal).size).toBeLessThan(2 * 100 * 4200);
    await store.stop();
    expect(statSync(wal).size).toBe(0);
  });

  it('is read by others while it is written, and when nobody writes it', async () => {
    const store = await started();
    const reader = openSqliteLogReader(folder);
    expect(reader.head()).toBe(LOG_START);
    await append(store, -1, 'one');
    expect(await reader.readStream(A)).toHaveLength(1);
    expect(await reader.readAll(LOG_START, { limit: 5 })).toHaveLength(1);
    expect(reader.head()).toBe(await store.head());
    reader.close();
    await store.stop();
    const later = openSqliteLogReader(folder);
    expect(await later.readStream(A)).toHaveLength(1);
    later.close();
  });

  it('knows streams that were last appended to long ago', () => {
    const writer = new LogWriter({ folder, lockWaitMs: 0, walPages: 8192 });
    const commit = (names: readonly string[], expected: number) =>
      writer.commit({
        streams: names as readonly StreamName[],
        expected: names.map(() => expected),
        counts: names.map(() => 1),
        packed: names.map(() => '{"envelope":{"commandId":"c"},"events":[]}'),
        archives: [],
      });
    // More than are kept in memory, twice.
    const names = Array.from({ length: 70_000 }, (_, index) => `s-${index}`);
    commit(names, NO_STREAM);
    const last = commit(names.slice(0, 100), 0);
    expect(last.every((id) => id > names.length)).toBe(true);
    writer.close();
  });
});
