import { join } from 'node:path';
import { replaceFile, textOf } from './durable-file.js';

/** One file of archived runs. What the file holds beyond `bytes` was never finished, and is none of it. */
export type ArchiveFile = {
  readonly file: string;
  readonly bytes: number;
  /** SHA-256 (hex) of those bytes. */
  readonly sha256: string;
  readonly runs: number;
  readonly events: number;
};

export type Manifest = {
  readonly v: 1;
  /** Who writes into the folder; `null` after a stop in good order. */
  readonly writer: string | null;
  readonly files: readonly ArchiveFile[];
};

/** An archive does not hold what its manifest says, or cannot be read. */
export class ArchiveDamaged extends Error {
  readonly code = 'archive-damaged';
  readonly retryable = false;
}

const NAME = 'manifest.json';
const EMPTY: Manifest = { v: 1, writer: null, files: [] };

/** The manifest of a folder, an empty one where there is none. */
export const readManifest = async (folder: string): Promise<Manifest> => {
  const text = await textOf(join(folder, NAME));
  if (text === null) return EMPTY;
  try {
    const manifest = JSON.parse(text) as Manifest; // checked as far as it is used
    if (manifest.v !== 1 || !Array.isArray(manifest.files)) throw new Error('it is of another form');
    return manifest;
  } catch (cause) {
    throw new ArchiveDamaged(`${join(folder, NAME)} cannot be read: ${String(cause)}`, { cause });
  }
};

export const writeManifest = (folder: string, manifest: Manifest, mark: string): Promise<void> =>
  replaceFile(join(folder, NAME), `${JSON.stringify(manifest, null, 2)}\n`, mark);
