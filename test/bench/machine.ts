import { execFileSync } from 'node:child_process';
import { statfsSync } from 'node:fs';
import { cpus, release, totalmem, type } from 'node:os';

import { systemClock } from '#runtime';

export type Machine = {
  readonly at: string;
  readonly node: string;
  readonly system: string;
  readonly processor: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly commit: string | null;
};

/** What a figure must be read with. */
export const machine = (): Machine => ({
  at: systemClock.now(),
  node: process.version,
  system: `${type()} ${release()}`,
  processor: cpus()[0]?.model ?? 'unknown',
  cores: cpus().length,
  memoryGiB: Math.round(totalmem() / 2 ** 30),
  commit: commit(),
});

const commit = (): string | null => {
  try {
    return execFileSync('git', ['describe', '--always', '--dirty'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  } catch {
    return null;
  }
};

const TMPFS = 0x01021994;

/** A file system in memory makes every sync free: whoever measures on it must say so. */
export const isMemoryFileSystem = (folder: string): boolean => statfsSync(folder).type === TMPFS;
