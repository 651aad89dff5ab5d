import {
  closeSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readSync,
  fdatasync,
  fstatSync,
  write,
  writeSync,
} from 'node:fs';
import { promisify } from 'node:util';
import { crc32 } from 'node:zlib';

/** One event as it stands in the file. */
export type LogRecord = {
  readonly stream: string;
  readonly revision: number;
  /** Whether its append ends with it. */
  readonly last: boolean;
  readonly message: Uint8Array;
};

const MAGIC = Buffer.from('eventstoredb double 1\n'.padEnd(32));
/** Length and checksum of what follows. */
const FRAME_BYTES = 8;
/** Flags, revision, length of the name. */
const HEAD_BYTES = 11;
const BLOCK_BYTES = 256 * 1024;

const writeAsync = promisify(write);
const syncAsync = promisify(fdatasync);

/** An append-only file of events. What stands behind a torn or damaged record, or an append without its end, is cut off. */
export class LogFile {
  readonly #file: number;
  readonly #sync: boolean;
  #end: number;
  #block = { start: 0, bytes: Buffer.alloc(0) };

  constructor(path: string, { sync }: { sync: boolean }) {
    this.#file = openSync(path, 'a+');
    this.#sync = sync;
    if (fstatSync(this.#file).size === 0) writeSync(this.#file, MAGIC);
    this.#end = fstatSync(this.#file).size;
  }

  /** Where the next record will stand. */
  get end(): number {
    return this.#end;
  }

  /** Reads everything in order, after which the file ends with the last whole append. */
  *recover(): Generator<readonly { readonly position: number; readonly bytes: number; readonly record: LogRecord }[]> {
    let position = MAGIC.length;
    let whole = position;
    let append: { position: number; bytes: number; record: LogRecord }[] = [];
    for (;;) {
      const bytes = this.#length(position);
      const record = bytes === null ? null : this.record(position, bytes);
      if (bytes === null || record === null) break;
      append.push({ position, bytes, record });
      position += FRAME_BYTES + bytes;
      if (!record.last) continue;
      whole = position;
      yield append;
      append = [];
    }
    if (whole === this.#end) return;
    ftruncateSync(this.#file, whole);
    fsyncSync(this.#file);
    this.#end = whole;
  }

  /** The record that stands somewhere; `null` when it is damaged. */
  record(position: number, bytes: number): LogRecord | null {
    const frame = this.#read(position, FRAME_BYTES + bytes);
    if (frame === null) return null;
    const body = frame.subarray(FRAME_BYTES);
    if (crc32(body) !== frame.readUInt32LE(4)) return null;
    const nameEnd = HEAD_BYTES + body.readUInt16LE(9);
    return {
      last: body[0] === 1,
      revision: body.readDoubleLE(1),
      stream: body.toString('utf8', HEAD_BYTES, nameEnd),
      message: body.subarray(nameEnd),
    };
  }

  /** Writes what `frameOf` made, all or (after a crash) only the beginning of it. */
  async append(frames: readonly Buffer[]): Promise<void> {
    const bytes = Buffer.concat(frames);
    for (let written = 0; written < bytes.length;) {
      written += (await writeAsync(this.#file, bytes, written, bytes.length - written)).bytesWritten;
    }
    if (this.#sync) await syncAsync(this.#file);
    this.#end += bytes.length;
  }

  close(): void {
    closeSync(this.#file);
  }

  #length(position: number): number | null {
    return this.#read(position, FRAME_BYTES)?.readUInt32LE(0) ?? null;
  }

  #read(position: number, length: number): Buffer | null {
    if (length < 0 || position + length > this.#end) return null;
    let from = position - this.#block.start;
    if (from < 0 || from + length > this.#block.bytes.length) {
      const bytes = Buffer.allocUnsafe(Math.min(Math.max(BLOCK_BYTES, length), this.#end - position));
      const read = readSync(this.#file, bytes, 0, bytes.length, position);
      this.#block = { start: position, bytes: bytes.subarray(0, read) };
      from = 0;
      if (read < length) return null;
    }
    return this.#block.bytes.subarray(from, from + length);
  }
}

/** A record as it goes into the file. */
export const frameOf = ({ stream, revision, last, message }: LogRecord): Buffer => {
  const name = Buffer.from(stream);
  const head = Buffer.allocUnsafe(FRAME_BYTES + HEAD_BYTES);
  const bytes = HEAD_BYTES + name.length + message.length;
  head.writeUInt32LE(bytes, 0);
  head[FRAME_BYTES] = last ? 1 : 0;
  head.writeDoubleLE(revision, FRAME_BYTES + 1);
  head.writeUInt16LE(name.length, FRAME_BYTES + 9);
  const frame = Buffer.concat([head, name, message]);
  frame.writeUInt32LE(crc32(frame.subarray(FRAME_BYTES)), 4);
  return frame;
};

/** Bytes of the frame around a record of so many bytes. */
export const framed = (bytes: number): number => bytes - FRAME_BYTES;
