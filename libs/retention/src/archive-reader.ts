import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { pipeline, type Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { hashOf } from './archive-folder.js';
import type { RunHeader } from './archived-run.js';
import { ArchiveDamaged, readManifest } from './manifest.js';

/** How far a file may be read, and what is to be said about it. */
export type Verified = { readonly bytes: number; readonly notes: readonly string[] };

/** A run out of an archive: what its header says, and the line of each event. */
export type ArchivedSection = { readonly run: RunHeader; readonly line: string | null };

/** Compares a file with the manifest beside it. Throws `ArchiveDamaged` when the checksum is another. */
export const verifyArchive = async (path: string): Promise<Verified> => {
  const size = await stat(path).then(
    (stats) => stats.size,
    () => {
      throw new ArchiveDamaged(`there is no file ${path}`);
    },
  );
  const { files } = await readManifest(dirname(path));
  const entry = files.find(({ file }) => file === basename(path));
  if (entry === undefined)
    return { bytes: size, notes: ['No manifest tells of this file: it is read without a checksum.'] };
  if (size < entry.bytes) throw new ArchiveDamaged(`${path} has ${size} bytes of ${entry.bytes}: its end is missing`);
  if ((await hashOf(path, entry)) === null)
    throw new ArchiveDamaged(`${path} has another checksum than its manifest says: it was changed or damaged`);
  const tail = size - entry.bytes;
  const torn = `The last ${tail} bytes were never finished and are left out; nothing is missing.`;
  return { bytes: entry.bytes, notes: tail === 0 ? [] : [torn] };
};

/**
 * The runs of a file: of each first its header (`line` is `null`), then a line an event, as they stand in the file. A run
 * may come twice, when a stop came between its file and its stub; both are whole, and the later one is no shorter.
 */
export async function* readArchive(path: string, { bytes }: Verified): AsyncGenerator<ArchivedSection> {
  if (bytes === 0) return;
  let run: RunHeader | null = null;
  let missing = 0;
  for await (const line of linesOf(path, bytes)) {
    if (missing === 0) {
      run = headerOf(path, line);
      missing = run.events;
      yield { run, line: null };
    } else if (run !== null) {
      missing -= 1;
      yield { run, line };
    }
  }
  if (missing > 0) throw new ArchiveDamaged(`${path} ends inside run ${run?.id}: ${missing} events are missing`);
}

const headerOf = (path: string, line: string): RunHeader => {
  const header = parsed(path, line)['run'];
  if (typeof header !== 'object' || header === null || !('events' in header) || typeof header.events !== 'number')
    throw new ArchiveDamaged(`${path} has an event or something else where a run should begin`);
  return header as RunHeader; // what `runLines` wrote, under a checksum
};

const parsed = (path: string, line: string): Record<string, unknown> => {
  try {
    return JSON.parse(line) as Record<string, unknown>;
  } catch (cause) {
    throw new ArchiveDamaged(`${path} has a line that is not JSON`, { cause });
  }
};

/** Cut at line feeds alone: other characters that end lines elsewhere may stand in a payload. */
async function* linesOf(path: string, bytes: number): AsyncGenerator<string> {
  let rest = '';
  try {
    for await (const chunk of unzipped(path, bytes)) {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      yield* lines;
    }
  } catch (cause) {
    if (cause instanceof ArchiveDamaged) throw cause;
    throw new ArchiveDamaged(`${path} cannot be unpacked: ${String(cause)}`, { cause });
  }
  if (rest !== '') throw new ArchiveDamaged(`${path} ends in the middle of a line`);
}

const unzipped = (path: string, bytes: number): AsyncIterable<string> => {
  const gunzip = createGunzip();
  // A failure ends the gunzip too, and shows where it is read.
  pipeline(createReadStream(path, { end: bytes - 1 }), gunzip, () => undefined);
  return (gunzip as Readable).setEncoding('utf8');
};
