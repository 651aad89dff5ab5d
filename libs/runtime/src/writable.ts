import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { userInfo } from 'node:os';

/**
 * Why a file or folder cannot be written by this process, with what to do about it; `null` when it can be, or is not there.
 * SQLite says nothing: it opens such a file for reading alone, and takes locks on it that hold nobody off.
 */
export const whyNotWritable = (path: string): string | null => {
  if (!existsSync(path)) return null;
  try {
    accessSync(path, constants.W_OK);
    return null;
  } catch (error) {
    // Of a failed system call.
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EROFS') return `${path} is on a file system that is mounted read-only`;
    const { uid, gid, mode } = statSync(path);
    return (
      `${path} cannot be written by the user that Stepwell runs as, ${whoAmI()}: it belongs to uid ${uid}, gid ${gid}, ` +
      `mode ${(mode & 0o777).toString(8).padStart(4, '0')}. Give it to that user (chown), as after a restore, or run Stepwell as its owner`
    );
  }
};

const whoAmI = (): string => {
  try {
    const { username, uid } = userInfo();
    return `${username} (uid ${uid})`;
  } catch {
    // A user without a name, as in a container.
    return `uid ${process.getuid?.() ?? 'unknown'}`;
  }
};
