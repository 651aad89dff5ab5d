import { mkdirSync } from 'node:fs';
import type Sqlite from 'better-sqlite3';
import type { StreamName } from '../event-store.js';
import { LogFull, NO_STREAM } from '../event-store.js';
import { envelopeOf } from '../packed.js';
import { FileLocked, holdFileLock } from './file-lock.js';
import { RowBuffer } from './row-buffer.js';
import { lockPath, logPath, nameHash, openForWriting, refuseUnwritable } from './log-file.js';
import { keepSpare, spendSpare, walHasRoom } from './room.js';

/** Appends of one transaction, member by member: one message across the thread, and cheap to copy. */
export type Batch = {
  readonly streams: readonly StreamName[];
  readonly expected: readonly number[];
  readonly counts: readonly number[];
  readonly packed: readonly string[];
  /** Which of them replace the history of their stream. */
  readonly archives: readonly number[];
};

/**
 * What became of each append of a batch: the number of its append in the log (a number not above an earlier one is a
 * repeat's), or `conflictWith(actual)`, which is negative.
 */
export type BatchResult = readonly number[];

export const conflictWith = (actual: number): number => -2 - actual;
export const actualOf = (result: number): number => -2 - result;

/** Another process writes this log. */
export class LogLocked extends Error {
  readonly code = 'log-locked';
  readonly retryable = true;

  constructor(folder: string, waitedMs: number) {
    super(
      `the event log in ${folder} is in use by another process (waited ${waitedMs / 1000} s); ` +
        'stop that process, or give this one a data folder of its own',
    );
  }
}

export type WriterOptions = {
  readonly folder: string;
  readonly lockWaitMs: number;
  readonly walPages: number;
};

/** A stream as the writer knows it. */
type Head = { readonly id: number; revision: number };

const HEADS_MAX = 32_768;
/** What a batch takes of the WAL beside its texts, and more. */
const OVERHEAD_BYTES = 64 * 1024;

/**
 * The one writer of a log, synchronous, for a thread of its own. A conflict refuses one append, a full disk the whole batch
 * (`LogFull`; a spent quota as well), of which nothing is in the log then. Whatever else is thrown leaves the whole batch unknown, and the process
 * must end: SQLite happily commits again after a failed fsync.
 */
export class LogWriter {
  readonly #folder: string;
  readonly #lock: { close(): void };
  readonly #db: Sqlite.Database;
  readonly #sql: Statements;
  /** Streams appended to of late, in two generations: the older is dropped when the younger is full. */
  #heads = new Map<StreamName, Head>();
  #olderHeads = new Map<StreamName, Head>();
  readonly #streams: RowBuffer;
  readonly #appends: RowBuffer;
  #lastStream = 0;
  #lastAppend = 0;

  constructor({ folder, lockWaitMs, walPages }: WriterOptions) {
    mkdirSync(folder, { recursive: true });
    refuseUnwritable(folder);
    this.#folder = folder;
    this.#lock = holdLock(folder, lockWaitMs);
    try {
      this.#db = open(folder, walPages);
      keepSpare(folder);
      this.#sql = prepare(this.#db);
      this.#streams = new RowBuffer(this.#db, 'streams', ['id', 'name_hash', 'name']);
      this.#appends = new RowBuffer(this.#db, 'appends', ['id', 'stream', 'first_revision', 'count', 'packed']);
      this.#readLast();
    } catch (error) {
      this.#lock.close();
      throw error;
    }
  }

  commit(batch: Batch): BatchResult {
    try {
      this.#sql.begin.run();
      const result = this.#appendAll(batch);
      this.#sql.commit.run();
      return result;
    } catch (error) {
      // Lets go of the file, no more: whether the batch is durable is known only after a restart.
      if (this.#db.inTransaction) this.#sql.rollback.run();
      if (isFull(error) || this.#isOutOfRoom(error, batch)) throw this.#full(error);
      throw error;
    }
  }

  /** Leaves everything in the main file and the WAL empty, as far as the disk has room. */
  close(): void {
    try {
      this.#db.pragma('wal_checkpoint(TRUNCATE)');
    } catch (error) {
      // The WAL keeps what does not fit into the main file: the next start reads it there.
      if (!isFull(error)) throw error;
    }
    this.abandon();
  }

  /** Closes without a last checkpoint of ours, for a writer that has failed. */
  abandon(): void {
    this.#db.close();
    this.#lock.close();
  }

  /**
   * A write that found no room, also that of the commit itself: the last frame, which makes the others count, is not whole,
   * and the next commit writes over what there is. Nothing was synced, so nothing is in doubt.
   */
  #full(cause: unknown): LogFull {
    this.#streams.clear();
    this.#appends.clear();
    this.#heads.clear();
    this.#olderHeads.clear();
    this.#readLast();
    return new LogFull('the disk of the event log is full', { cause });
  }

  /**
   * A spent quota is a failed write to SQLite, of which it does not say why. Only the WAL is written to in a commit: what fails
   * in the checkpoint behind it is passed over, and a failed fsync has a name of its own.
   */
  #isOutOfRoom(error: unknown, { packed }: Batch): boolean {
    if (codeOf(error) !== 'SQLITE_IOERR_WRITE') return false;
    const bytes = packed.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
    return !walHasRoom(this.#folder, bytes + OVERHEAD_BYTES);
  }

  #readLast(): void {
    this.#lastStream = this.#sql.lastStream.get() ?? 0;
    this.#lastAppend = this.#sql.lastAppend.get() ?? 0;
  }

  #appendAll({ streams, expected, counts, packed, archives }: Batch): BatchResult {
    const result: number[] = [];
    for (let index = 0; index < streams.length; index++) {
      const replaces = archives.length > 0 && archives.includes(index);
      result.push(this.#append(streams[index]!, expected[index]!, counts[index]!, packed[index]!, replaces));
    }
    this.#flush();
    return result;
  }

  #append(stream: StreamName, expected: number, count: number, packed: string, replaces: boolean): number {
    const head = this.#head(stream);
    const actual = head?.revision ?? NO_STREAM;
    if (expected !== actual) return this.#repeat(head, expected, packed) ?? conflictWith(actual);
    if (replaces && head === null) return conflictWith(actual);
    const { id } = head ?? this.#open(stream);
    if (replaces) this.#erase(id);
    this.#appends.add(++this.#lastAppend, id, expected + 1, count, packed);
    this.#keep(stream, id, expected + count);
    return this.#lastAppend;
  }

  #head(stream: StreamName): Head | null {
    const known = this.#heads.get(stream) ?? this.#olderHeads.get(stream);
    if (known !== undefined) return known;
    // Several names can share a hash; the name decides.
    for (const [id, name] of this.#sql.streamsByHash.all(nameHash(stream))) {
      if (name === stream) return { id, revision: this.#sql.lastRevision.get(id) ?? NO_STREAM };
    }
    return null;
  }

  #open(stream: StreamName): Head {
    this.#streams.add(++this.#lastStream, nameHash(stream), stream);
    return { id: this.#lastStream, revision: NO_STREAM };
  }

  #keep(stream: StreamName, id: number, revision: number): void {
    const known = this.#heads.get(stream);
    if (known !== undefined) {
      known.revision = revision;
      return;
    }
    this.#heads.set(stream, { id, revision });
    if (this.#heads.size < HEADS_MAX) return;
    this.#olderHeads = this.#heads;
    this.#heads = new Map();
  }

  /** Before the tables are looked into for what this batch may have put there. */
  #flush(): void {
    this.#streams.flush();
    this.#appends.flush();
  }

  /** The first result of an append that is in the log already: same stream, expected revision and command. */
  #repeat(head: Head | null, expected: number, packed: string): number | null {
    this.#flush();
    const first = head === null ? undefined : this.#sql.appendAt.get(head.id, expected + 1);
    if (first === undefined) return null;
    const [id, stored] = first;
    return envelopeOf(stored).commandId === envelopeOf(packed).commandId ? id : null;
  }

  #erase(id: number): void {
    this.#flush();
    this.#sql.openArchiving.run(id);
    this.#sql.deleteAppends.run(id);
    this.#sql.closeArchiving.run(id);
  }
}

// Whatever is thrown may be asked for its code.
const codeOf = (error: unknown): unknown => (error as { code?: unknown } | null)?.code;
const isFull = (error: unknown): boolean => codeOf(error) === 'SQLITE_FULL';

const open = (folder: string, walPages: number): Sqlite.Database => {
  try {
    return openForWriting(logPath(folder), walPages);
  } catch (error) {
    if (codeOf(error) !== 'SQLITE_IOERR_SHMSIZE' || !spendSpare(folder)) throw error;
    return openForWriting(logPath(folder), walPages);
  }
};

const holdLock = (folder: string, waitMs: number): { close(): void } => {
  try {
    return holdFileLock(lockPath(folder), waitMs);
  } catch (error) {
    throw error instanceof FileLocked ? new LogLocked(folder, waitMs) : error;
  }
};

type Statements = ReturnType<typeof prepare>;

const prepare = (db: Sqlite.Database) => ({
  begin: db.prepare<[]>('BEGIN IMMEDIATE'),
  commit: db.prepare<[]>('COMMIT'),
  rollback: db.prepare<[]>('ROLLBACK'),
  // Index streams_by_name_hash.
  streamsByHash: db
    .prepare<[hash: number], [id: number, name: string]>('SELECT id, name FROM streams WHERE name_hash = ?')
    .raw(),
  // Index appends_by_stream.
  lastRevision: db
    .prepare<[stream: number], number>(
      'SELECT first_revision + count - 1 FROM appends WHERE stream = ? ORDER BY first_revision DESC LIMIT 1',
    )
    .pluck(),
  // Index appends_by_stream.
  appendAt: db
    .prepare<[stream: number, firstRevision: number], [id: number, packed: string]>(
      'SELECT id, packed FROM appends WHERE stream = ? AND first_revision = ?',
    )
    .raw(),
  lastStream: db.prepare<[], number>('SELECT max(id) FROM streams').pluck(),
  lastAppend: db.prepare<[], number>('SELECT max(id) FROM appends').pluck(),
  openArchiving: db.prepare<[stream: number]>('INSERT INTO archiving (stream) VALUES (?)'),
  deleteAppends: db.prepare<[stream: number]>('DELETE FROM appends WHERE stream = ?'),
  closeArchiving: db.prepare<[stream: number]>('DELETE FROM archiving WHERE stream = ?'),
});
