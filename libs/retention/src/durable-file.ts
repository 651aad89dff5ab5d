import { open, readFile, rename } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Makes the names in a folder as durable as the files they name. */
export const syncFolder = async (folder: string): Promise<void> => {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
};

/** Replaces a file as a whole: after a crash there is the old one or the new one. `mark` keeps two writers apart. */
export const replaceFile = async (path: string, text: string, mark: string): Promise<void> => {
  const fresh = `${path}.${mark}.tmp`;
  const handle = await open(fresh, 'w');
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(fresh, path);
  await syncFolder(dirname(path));
};

/** The text of a file, `null` when there is none. */
export const textOf = async (path: string): Promise<string | null> => {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return null;
    throw error;
  }
};

export const isSystemError = (error: unknown, code: string): boolean =>
  typeof error === 'object' && error !== null && 'code' in error && error.code === code;
