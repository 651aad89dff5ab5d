import { hash } from 'node:crypto';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { whyNotWritable } from '#runtime';
import type { StreamName } from '../event-store.js';

/** The log itself, and the file whose lock says who writes it. */
export const logPath = (folder: string): string => join(folder, 'events.db');
export const lockPath = (folder: string): string => join(folder, 'events.lock');
/** Room that is kept for a start on a full disk. */
export const sparePath = (folder: string): string => join(folder, 'events.spare');

/** The event store's files cannot be used as they are; the message says what to do. */
export class LogUnusable extends Error {
  readonly code = 'log-unusable';
  readonly retryable = false;
}

/** The first version without the WAL-reset bug, which can lose committed frames. */
const SQLITE_VERSION_MIN = [3, 51, 3] as const;
/** "STPW": a foreign SQLite file is refused instead of written to. */
const APPLICATION_ID = 0x53545057;
/** 2: events and plans speak of slots. */
const SCHEMA_VERSION = 2;

/**
 * One row an append. A stream is a growing integer, so that inserts stay at the right edge of `appends` and of its index
 * (stream, first_revision). Names are unique by a narrow key: the first 48 bits of their SHA-256, and a comparison of
 * names on a hit; a unique index on the names cost 10 µs an append more. A position is never used
 * twice without AUTOINCREMENT (a page more a commit): whatever replaces an append is a later append of the same transaction.
 */
const SCHEMA = `
  CREATE TABLE streams (
    id INTEGER PRIMARY KEY,
    name_hash INTEGER NOT NULL,
    name TEXT NOT NULL
  ) STRICT;
  CREATE INDEX streams_by_name_hash ON streams (name_hash);

  CREATE TABLE appends (
    id INTEGER PRIMARY KEY,
    stream INTEGER NOT NULL,
    first_revision INTEGER NOT NULL,
    count INTEGER NOT NULL,
    packed TEXT NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX appends_by_stream ON appends (stream, first_revision);

  CREATE TABLE archiving (stream INTEGER PRIMARY KEY) STRICT;

  CREATE TRIGGER appends_are_for_ever BEFORE UPDATE ON appends
    BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;
  CREATE TRIGGER appends_go_only_by_archive BEFORE DELETE ON appends
    WHEN NOT EXISTS (SELECT 1 FROM archiving WHERE stream = OLD.stream)
    BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;
  CREATE TRIGGER streams_are_for_ever BEFORE UPDATE ON streams
    BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;
  CREATE TRIGGER streams_stay BEFORE DELETE ON streams
    BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;
`;

/** Before anything is opened: SQLite would open a file that cannot be written for reading alone, its lock too, in silence. */
export const refuseUnwritable = (folder: string): void => {
  const log = logPath(folder);
  for (const path of [folder, lockPath(folder), log, `${log}-wal`, `${log}-shm`, sparePath(folder)]) {
    const why = whyNotWritable(path);
    if (why !== null) throw new LogUnusable(`the event log cannot be opened: ${why}`);
  }
};

/** Opens the log for its one writer, makes it when it is not there, and asserts what durability rests on. */
export const openForWriting = (path: string, walPages: number): Sqlite.Database => {
  const db = new Sqlite(path);
  try {
    assertVersion(db);
    db.pragma('journal_mode = WAL');
    // The library is compiled with NORMAL for WAL: acknowledged commits could vanish with the power.
    db.pragma('synchronous = FULL');
    db.pragma(`wal_autocheckpoint = ${walPages}`);
    // A log that was once swollen by a long reader shrinks again; below the bound its file is used over and over.
    db.pragma(`journal_size_limit = ${walPages * 2 * PAGE_BYTES}`);
    assertPragma(db, 'journal_mode', 'wal');
    assertPragma(db, 'synchronous', 2);
    if (db.pragma('user_version', { simple: true }) === 0) create(db, path);
    assertSchema(db, path);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
};

/** Opens the log read-only; any thread or process may, while the writer writes. */
export const openForReading = (path: string): Sqlite.Database => {
  const db = new Sqlite(path, { readonly: true, fileMustExist: true });
  try {
    assertVersion(db);
    assertSchema(db, path);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
};

/** The narrow key of a stream's name; stored, so for ever. */
export const nameHash = (name: StreamName): number => hash('sha256', name, 'buffer').readUIntBE(0, 6);

const PAGE_BYTES = 4096;

const create = (db: Sqlite.Database, path: string): void => {
  const tables = db.prepare('SELECT count(*) FROM sqlite_schema').pluck().get();
  if (tables !== 0) throw new LogUnusable(`${path} is not an event log of Stepwell; nothing was changed in it`);
  db.exec(
    `BEGIN IMMEDIATE; ${SCHEMA}
     PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${SCHEMA_VERSION}; COMMIT;`,
  );
};

const assertVersion = (db: Sqlite.Database): void => {
  const version = String(db.prepare('SELECT sqlite_version()').pluck().get());
  const parts = version.split('.').map(Number);
  const differs = SQLITE_VERSION_MIN.findIndex((least, index) => parts[index] !== least);
  if (differs !== -1 && (parts[differs] ?? 0) < SQLITE_VERSION_MIN[differs]!) {
    throw new LogUnusable(`SQLite ${version} can lose commits; the event log needs ${SQLITE_VERSION_MIN.join('.')}`);
  }
};

const assertPragma = (db: Sqlite.Database, name: string, wanted: string | number): void => {
  const value = db.pragma(name, { simple: true });
  if (value !== wanted) throw new LogUnusable(`${name} is ${String(value)}, and not ${wanted}, on ${db.name}`);
};

const assertSchema = (db: Sqlite.Database, path: string): void => {
  const application = db.pragma('application_id', { simple: true });
  const version = db.pragma('user_version', { simple: true });
  if (application !== APPLICATION_ID) throw new LogUnusable(`${path} is not an event log of Stepwell`);
  if (version !== SCHEMA_VERSION) {
    throw new LogUnusable(`${path} has schema ${String(version)}; this version of Stepwell reads ${SCHEMA_VERSION}`);
  }
};
