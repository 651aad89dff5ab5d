import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Only root may mount; a machine of a CI often lets everybody be root. */
const asRoot = (command: string, args: readonly string[]): boolean =>
  spawnSync(command, args).status === 0 || spawnSync('sudo', ['-n', command, ...args]).status === 0;

/** A file system that is really full when it is full: a tmpfs of so many bytes. Whether it was mounted. */
export const mountSmallDisk = (folder: string, bytes: number): boolean =>
  asRoot('mount', ['-t', 'tmpfs', '-o', `size=${bytes},mode=1777`, 'stepwell-test', folder]);

export const unmountSmallDisk = (folder: string): boolean => asRoot('umount', ['-l', folder]);

/** Why there is no small disk for tests here, `null` when there is one. */
export const missingSmallDisk = (): string | null => {
  const folder = mkdtempSync(join(tmpdir(), 'stepwell-disk-'));
  const mounted = mountSmallDisk(folder, 65_536);
  if (mounted) unmountSmallDisk(folder);
  rmdirSync(folder);
  return mounted ? null : 'no disk to fill: only root may mount a tmpfs (unshare -rm npm test)';
};
