import Sqlite from 'better-sqlite3';

/** Another process has it. */
export class FileLocked extends Error {
  readonly code = 'file-locked';
  readonly retryable = true;

  constructor(readonly path: string) {
    super(`${path} is locked by another process`);
  }
}

/** An OS lock on a file that stays empty: it dies with the process, however that ends. Throws `FileLocked` after the wait. */
export const holdFileLock = (path: string, waitMs: number): { close(): void } => {
  const lock = new Sqlite(path, { timeout: waitMs });
  try {
    // The first page of an empty file is about to be written as soon as it is locked: its journal finds no room on a full disk.
    lock.pragma('journal_mode = MEMORY');
    lock.exec('BEGIN EXCLUSIVE');
    return lock;
  } catch (error) {
    lock.close();
    // Whatever is thrown may be asked for its code.
    if (String((error as { code?: unknown } | null)?.code).startsWith('SQLITE_BUSY')) throw new FileLocked(path);
    throw error;
  }
};
