import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, stat, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { holdFileLock } from '#event-store';
import { failpoint, type Log } from '#runtime';
import { isSystemError } from './durable-file.js';
import { ArchiveDamaged, readManifest, writeManifest, type ArchiveFile } from './manifest.js';

/** Another process has begun to write into the folder: this one no longer may. */
export class ArchiveTaken extends Error {
  readonly code = 'archive-taken';
  readonly retryable = true;
}

/** Runs and events written by one append. */
export type AppendedRuns = { readonly file: string; readonly runs: number; readonly events: number };

type Current = { readonly day: string; readonly handle: FileHandle; entry: ArchiveFile; hash: Hash };

const FILES_A_DAY_MAX = 10_000;

const beforeFileSync = failpoint('archive.before-file-sync', 'Runs are written into their file, which is not synced.');
const afterFileSync = failpoint('archive.after-file-sync', 'The file is synced, the manifest does not list it yet.');
const afterManifest = failpoint('archive.after-manifest', 'The manifest lists the runs, no stub is written yet.');

/**
 * Files of archived runs, one a UTC day, and their manifest. Every append is a gzip member of its own behind the others,
 * which together are one gzip file. Nothing is ever taken away or written over that a manifest has listed: after an end
 * without `close` the next writer begins a new file, so that one that only seemed to be dead does no harm.
 */
export class ArchiveFolder {
  #current: Current | null = null;

  private constructor(
    private readonly folder: string,
    private readonly writer: string,
    private readonly lock: { close(): void },
  ) {}

  /**
   * `writer`: a fresh name. From here on every other writer of the folder is refused: by a lock where the system keeps locks,
   * and by the manifest on a network file system that keeps none. Throws `FileLocked` while another process has it.
   */
  static async open(folder: string, writer: string, day: string, log: Log): Promise<ArchiveFolder> {
    await mkdir(folder, { recursive: true });
    const lock = holdFileLock(join(folder, 'archive.lock'), 0);
    try {
      const manifest = await readManifest(folder);
      const archive = new ArchiveFolder(folder, writer, lock);
      await writeManifest(folder, { ...manifest, writer }, writer);
      if (manifest.writer === null) await archive.#reopen(day, manifest.files);
      else log.warn('the last archiver had no time to close its file; a new file is begun', { folder });
      return archive;
    } catch (error) {
      lock.close();
      throw error;
    }
  }

  /** Writes lines and makes them durable, then enters them into the manifest. `null` when there was no line. */
  async append(
    day: string,
    lines: AsyncGenerator<string, { runs: number; events: number }>,
  ): Promise<AppendedRuns | null> {
    const first = await lines.next();
    if (first.done === true) return null;
    await this.#ownManifest();
    const current = await this.#fileOf(day);
    const { handle, entry } = current;
    // What an append that has failed left there.
    await handle.truncate(entry.bytes);
    const hash = current.hash.copy();
    let { bytes } = entry;
    let counts = { runs: 0, events: 0 };
    const texts = async function* () {
      yield first.value;
      counts = yield* lines;
    };
    await pipeline(Readable.from(texts()), createGzip(), async (chunks: AsyncIterable<Buffer>) => {
      for await (const chunk of chunks) {
        await writeAll(handle, chunk, bytes);
        hash.update(chunk);
        bytes += chunk.length;
      }
    });
    const grown: ArchiveFile = {
      file: entry.file,
      bytes,
      sha256: hash.copy().digest('hex'),
      runs: entry.runs + counts.runs,
      events: entry.events + counts.events,
    };
    await this.#settle(current, grown);
    current.entry = grown;
    current.hash = hash;
    afterManifest();
    return { file: grown.file, ...counts };
  }

  /** The next writer may go on with the last file. */
  async close(): Promise<void> {
    try {
      await this.#closeFile();
      const manifest = await readManifest(this.folder);
      if (manifest.writer === this.writer) await writeManifest(this.folder, { ...manifest, writer: null }, this.writer);
    } finally {
      this.lock.close();
    }
  }

  /** The file first, then the manifest. After a failure nobody knows what either holds: the next append begins a new file. */
  async #settle({ handle }: Current, grown: ArchiveFile): Promise<void> {
    try {
      beforeFileSync();
      await handle.sync();
      afterFileSync();
      await this.#enter(grown);
    } catch (error) {
      await this.#closeFile();
      throw error;
    }
  }

  async #closeFile(): Promise<void> {
    const current = this.#current;
    this.#current = null;
    await current?.handle.close();
  }

  async #ownManifest() {
    const manifest = await readManifest(this.folder);
    if (manifest.writer !== this.writer) throw new ArchiveTaken(`${this.folder} is written by another process`);
    return manifest;
  }

  /** Enters a file into the manifest. Reads before it writes, so that entries of others are never lost. */
  async #enter(entry: ArchiveFile): Promise<void> {
    const manifest = await this.#ownManifest();
    const others = manifest.files.filter(({ file }) => file !== entry.file);
    await writeManifest(this.folder, { ...manifest, files: [...others, entry] }, this.writer);
  }

  /** Takes up the last file of the day, if it is what the manifest says. */
  async #reopen(day: string, files: readonly ArchiveFile[]): Promise<void> {
    const entry = files.findLast(({ file }) => file.startsWith(`runs-${day}`));
    if (entry === undefined) return;
    const path = join(this.folder, entry.file);
    const hash = await hashOf(path, entry);
    if (hash === null) return;
    this.#current = { day, handle: await open(path, 'r+'), entry, hash };
  }

  async #fileOf(day: string): Promise<Current> {
    if (this.#current?.day === day) return this.#current;
    await this.#closeFile();
    for (let number = 1; number <= FILES_A_DAY_MAX; number++) {
      const file = number === 1 ? `runs-${day}.ndjson.gz` : `runs-${day}-${number}.ndjson.gz`;
      const handle = await openNew(join(this.folder, file));
      if (handle === null) continue;
      const entry = { file, bytes: 0, sha256: '', runs: 0, events: 0 };
      return (this.#current = { day, handle, entry, hash: createHash('sha256') });
    }
    throw new ArchiveDamaged(`${this.folder} holds ${FILES_A_DAY_MAX} files of ${day} already`);
  }
}

const openNew = async (path: string): Promise<FileHandle | null> => {
  try {
    return await open(path, 'wx');
  } catch (error) {
    if (isSystemError(error, 'EEXIST')) return null;
    throw error;
  }
};

const writeAll = async (handle: FileHandle, chunk: Buffer, position: number): Promise<void> => {
  for (let from = 0; from < chunk.length;) {
    const { bytesWritten } = await handle.write(chunk, from, chunk.length - from, position + from);
    from += bytesWritten;
  }
};

/** The hash to go on with, `null` when the file is not what the manifest says of it. */
export const hashOf = async (path: string, { bytes, sha256 }: ArchiveFile): Promise<Hash | null> => {
  const size = await stat(path).then(
    (stats) => stats.size,
    () => -1,
  );
  if (size < bytes) return null;
  const hash = createHash('sha256');
  if (bytes > 0)
    await pipeline(createReadStream(path, { end: bytes - 1 }), async (chunks: AsyncIterable<Buffer>) => {
      for await (const chunk of chunks) hash.update(chunk);
    });
  return hash.copy().digest('hex') === sha256 ? hash : null;
};
