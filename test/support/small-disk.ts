import { afterEach, beforeEach } from '@jest/globals';
import { closeSync, mkdtempSync, openSync, rmdirSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mountSmallDisk, unmountSmallDisk } from './small-disk-mount.js';

/** A real disk of so many bytes, a fresh one for each test of the suite that asks for it; the result gives its folder. */
export const smallDisk = (bytes: number): (() => string) => {
  let folder = '';
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'stepwell-disk-'));
    if (!mountSmallDisk(folder, bytes)) throw new Error(`no tmpfs of ${bytes} bytes could be mounted on ${folder}`);
  });
  afterEach(() => {
    // At once out of sight, and gone as soon as the last file on it is closed.
    unmountSmallDisk(folder);
    rmdirSync(folder);
  });
  return () => folder;
};

const BLOCK = Buffer.alloc(4096);

/** Takes all room of a disk but so many bytes; the result gives it back. */
export const fillDisk = (disk: string, leaveBytes: number): (() => void) => {
  const filler = join(disk, 'filler');
  const file = openSync(filler, 'a');
  try {
    for (;;) {
      const { bavail, bsize } = statfsSync(disk);
      if (bavail * bsize <= leaveBytes) break;
      writeSync(file, BLOCK);
    }
  } finally {
    closeSync(file);
  }
  return () => rmSync(filler, { force: true });
};
