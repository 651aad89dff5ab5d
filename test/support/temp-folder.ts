import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A fresh folder of its own; `remove` takes it away with all it holds. */
export type TempFolder = { readonly path: string; readonly remove: () => Promise<void> };

/** Makes a folder below the system's temporary one, or below `parent`. */
export const tempFolder = async (name: string, parent: string = tmpdir()): Promise<TempFolder> => {
  const path = await mkdtemp(join(parent, `stepwell-${name}-`));
  return { path, remove: () => rm(path, { recursive: true, force: true, maxRetries: 3 }) };
};
