import { closeSync, existsSync, fsyncSync, openSync, rmSync, statSync, truncateSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { isNoRoom } from '#runtime';
import { logPath, sparePath } from './log-file.js';

/** SQLite's index of the WAL has 32 KB for each 16 MB of it; it is bounded at 64 MB, and no batch is longer than 16 MB. */
const SPARE_BYTES = 5 * 32 * 1024;
const ZEROS = Buffer.alloc(64 * 1024);

/**
 * Room for the index of the WAL, which a start on a full disk makes anew, and has none for: a log that has ended for want of it
 * could not even be read until there is room. On a disk that is full already it is left out.
 */
export const keepSpare = (folder: string): void => {
  const path = sparePath(folder);
  if (existsSync(path) && statSync(path).size === SPARE_BYTES) return;
  if (!hasRoom(path, 0, SPARE_BYTES)) truncateSync(path);
};

/** False when there was none. */
export const spendSpare = (folder: string): boolean => {
  const path = sparePath(folder);
  if (!existsSync(path) || statSync(path).size === 0) return false;
  truncateSync(path);
  return true;
};

/**
 * Whether a file beside the log, as long as its WAL, can grow by so much. SQLite knows a full disk by its name, and a spent quota
 * or a limit of file sizes only as a failed write.
 */
export const walHasRoom = (folder: string, bytes: number): boolean => {
  const probe = join(folder, 'events.probe');
  const wal = `${logPath(folder)}-wal`;
  try {
    return hasRoom(probe, existsSync(wal) ? statSync(wal).size : 0, bytes);
  } finally {
    rmSync(probe, { force: true });
  }
};

/** Writes so much, from there on. */
const hasRoom = (path: string, from: number, bytes: number): boolean => {
  const file = openSync(path, 'w');
  try {
    for (let written = 0; written < bytes;)
      written += writeSync(file, ZEROS, 0, Math.min(ZEROS.length, bytes - written), from + written);
    fsyncSync(file);
    return true;
  } catch (error) {
    if (!isNoRoom(error)) throw error;
    return false;
  } finally {
    closeSync(file);
  }
};
