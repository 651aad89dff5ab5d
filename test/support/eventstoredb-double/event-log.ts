import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { randomUUID } from 'node:crypto';
import { frameOf, framed, LogFile } from './log-file.js';
import { eventIdIn, LONG_MAX, longText, proposedIn, readMessage, type ProposedEvent } from './read-message.js';

/** `-1` is "no stream". */
export type Expected = number | 'any' | 'exists';
export const NO_STREAM = -1;

export type AppendRequest = {
  readonly stream: string;
  readonly expected: Expected;
  readonly events: readonly ProposedEvent[];
};

export type AppendResult =
  | { readonly status: 'written'; readonly revision: number; readonly position: number | null }
  | { readonly status: 'conflict'; readonly actual: number }
  | { readonly status: 'deleted' }
  /** The same events are being written for somebody else. */
  | { readonly status: 'racing' };

type Stream = {
  readonly name: string;
  /** By revision, the number of the event in the log. */
  readonly indexes: number[];
  head: number;
  truncateBefore: number;
  maxCount: number;
  tombstoned: boolean;
};

/** What is to be seen of a stream: from which revision to which, and where each is. */
export type StreamView = {
  readonly first: number;
  readonly last: number;
  readonly indexOf: (revision: number) => number;
};

/** So many of the last events stay in memory: who follows the log reads those, each reader at a place of its own. */
export const RECENT_EVENTS = 16_384;
/** Larger ones are read from the file. */
const RECENT_BYTES_MAX = 4096;

type Pending = { readonly request: AppendRequest; readonly answer: (result: AppendResult) => void };

/** The log of the double: the server's rules for appending, over a file. Appends that arrive during a flush are the next one. */
export class EventLog {
  readonly #file: LogFile;
  readonly #streams = new Map<string, Stream>();
  /** By the number of the event in the log. */
  readonly #positions: number[] = [];
  readonly #lengths: number[] = [];
  readonly #streamOf: Stream[] = [];
  readonly #types: string[] = [];
  /** Each type once, however many events are of it. */
  readonly #knownTypes = new Map<string, string>();
  /** Of the last events, by number modulo its length. */
  readonly #recent = new Array<Uint8Array | undefined>(RECENT_EVENTS);
  /** Ids of events that are not in the file yet, by number. */
  readonly #staged = new Map<number, string>();
  #stagedEnd = 0;
  #visible = 0;
  #pending: Pending[] = [];
  #writing: Promise<void> | null = null;
  readonly #waiting = new Set<() => void>();

  constructor(
    folder: string,
    readonly options: { readonly sync: boolean; readonly beforeFlush?: () => Promise<void> },
  ) {
    mkdirSync(folder, { recursive: true });
    this.#file = new LogFile(join(folder, 'events.log'), options);
    for (const append of this.#file.recover()) {
      for (const { position, bytes, record } of append) {
        const stream = this.#stream(record.stream);
        const { type } = proposedIn(record.message);
        this.#index(stream, { revision: record.revision, type, position, bytes });
        if (record.stream.startsWith('$$')) this.#applyMetadata(record.stream, record.message);
      }
    }
    this.#visible = this.#positions.length;
  }

  /** How many events are there to read. */
  get size(): number {
    return this.#visible;
  }

  append(request: AppendRequest): Promise<AppendResult> {
    if (this.#races(request)) return Promise.resolve({ status: 'racing' });
    return new Promise((answer) => {
      this.#pending.push({ request, answer });
      this.#writing ??= this.#write();
    });
  }

  /** Calls back once when there is more to read. */
  onMore(call: () => void): () => void {
    this.#waiting.add(call);
    return () => this.#waiting.delete(call);
  }

  positionAt(index: number): number {
    return this.#positions[index]!;
  }

  streamAt(index: number): string {
    return this.#streamOf[index]!.name;
  }

  typeAt(index: number): string {
    return this.#types[index]!;
  }

  messageAt(index: number): Uint8Array {
    const recent = this.#positions.length - index <= RECENT_EVENTS ? this.#recent[index % RECENT_EVENTS] : undefined;
    return recent ?? this.#file.record(this.#positions[index]!, this.#lengths[index]!)!.message;
  }

  /** Number of the first event at or past a position. */
  indexAt(position: number): number {
    let low = 0;
    let high = this.#visible;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#positions[middle]! < position) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** `null` when there is nothing to see. */
  streamView(name: string): StreamView | 'deleted' | null {
    const stream = this.#streams.get(name);
    if (stream?.tombstoned === true) return 'deleted';
    if (stream === undefined) return null;
    const { indexes } = stream;
    let last = indexes.length - 1;
    while (last >= 0 && indexes[last]! >= this.#visible) last--;
    const first = Math.max(stream.truncateBefore, last + 1 - stream.maxCount, 0);
    return first > last ? null : { first, last, indexOf: (revision: number) => indexes[revision]! };
  }

  /** Deletes a stream: softly, so that it may go on, or for ever. */
  async delete(name: string, expected: Expected, forEver: boolean): Promise<AppendResult> {
    const stream = this.#streams.get(name);
    if (stream?.tombstoned === true) return { status: 'deleted' };
    const head = stream?.head ?? NO_STREAM;
    if (typeof expected === 'number' && expected !== head) return { status: 'conflict', actual: head };
    if (forEver) return this.append({ stream: name, expected: 'any', events: [system(TOMBSTONE, '{}')] });
    return this.append(truncation(name, LONG_MAX));
  }

  async close(): Promise<void> {
    await this.#writing;
    this.#file.close();
  }

  async #write(): Promise<void> {
    // What arrives in one turn goes together.
    await Promise.resolve();
    while (this.#pending.length > 0) {
      const taken = this.#pending;
      this.#pending = [];
      const frames: Buffer[] = [];
      this.#stagedEnd = this.#file.end;
      const results = taken.map(({ request }) => this.#stage(request, frames));
      await this.options.beforeFlush?.();
      if (frames.length > 0) await this.#file.append(frames);
      this.#visible = this.#positions.length;
      this.#staged.clear();
      for (const call of [...this.#waiting]) call();
      for (const [at, { answer }] of taken.entries()) answer(results[at]!);
    }
    this.#writing = null;
  }

  #stage({ stream: name, expected, events }: AppendRequest, frames: Buffer[]): AppendResult {
    const stream = this.#stream(name);
    if (stream.tombstoned) return { status: 'deleted' };
    const softlyDeleted = stream.truncateBefore === LONG_MAX;
    if (expected === 'exists' && (stream.head < 0 || softlyDeleted)) return { status: 'conflict', actual: stream.head };
    const revives = softlyDeleted && (expected === NO_STREAM || expected === 'any');
    if (revives && expected === NO_STREAM && this.#holds(stream, 0, events) !== 'other') {
      return { status: 'written', revision: events.length - 1, position: null };
    }
    if (typeof expected === 'number' && expected !== stream.head && !revives) {
      const held = expected < stream.head ? this.#holds(stream, expected + 1, events) : 'other';
      if (held === 'other') return { status: 'conflict', actual: stream.head };
      if (held === 'staged') return { status: 'racing' };
      const revision = expected + events.length;
      return { status: 'written', revision, position: this.#positions[stream.indexes[revision]!]! };
    }
    if (events.length === 0) return { status: 'written', revision: stream.head, position: null };
    const position = this.#add(stream, events, frames);
    const { head } = stream;
    if (revives) {
      const metadata = truncation(name, head - events.length + 1);
      this.#add(this.#stream(metadata.stream), metadata.events, frames);
    }
    return { status: 'written', revision: head, position };
  }

  /** Gives the position of the last event. */
  #add(stream: Stream, events: readonly ProposedEvent[], frames: Buffer[]): number {
    let last = 0;
    for (const [ordinal, event] of events.entries()) {
      const position = this.#stagedEnd;
      const revision = event.type === TOMBSTONE ? LONG_MAX : stream.head + 1;
      const message = readMessage(event, { stream: stream.name, revision, position, createdMs: Date.now() });
      const frame = frameOf({ stream: stream.name, revision, last: ordinal === events.length - 1, message });
      frames.push(frame);
      this.#staged.set(this.#positions.length, event.id);
      this.#recent[this.#positions.length % RECENT_EVENTS] = message.length <= RECENT_BYTES_MAX ? message : undefined;
      this.#index(stream, { revision, type: event.type, position, bytes: framed(frame.length) });
      if (stream.name.startsWith('$$')) this.#applyMetadata(stream.name, message);
      last = position;
      this.#stagedEnd += frame.length;
    }
    return last;
  }

  #races({ stream: name, expected, events }: AppendRequest): boolean {
    const stream = this.#staged.size === 0 ? undefined : this.#streams.get(name);
    if (stream === undefined || typeof expected !== 'number' || expected >= stream.head) return false;
    return this.#holds(stream, expected + 1, events) === 'staged';
  }

  /** Whether a stream holds these events from a revision on. */
  #holds(stream: Stream, from: number, events: readonly ProposedEvent[]): 'stored' | 'staged' | 'other' {
    let staged = false;
    for (const [ordinal, event] of events.entries()) {
      const index = stream.indexes[from + ordinal];
      if (index === undefined) return 'other';
      const stagedId = this.#staged.get(index);
      staged ||= stagedId !== undefined;
      if ((stagedId ?? eventIdIn(this.messageAt(index))) !== event.id.toLowerCase()) return 'other';
    }
    return staged ? 'staged' : 'stored';
  }

  #index(
    stream: Stream,
    { revision, type, position, bytes }: { revision: number; type: string; position: number; bytes: number },
  ): void {
    const known = this.#knownTypes.get(type);
    if (known === undefined) this.#knownTypes.set(type, type);
    this.#types.push(known ?? type);
    stream.indexes.push(this.#positions.length);
    stream.head = revision;
    stream.tombstoned = revision === LONG_MAX;
    this.#positions.push(position);
    this.#lengths.push(bytes);
    this.#streamOf.push(stream);
  }

  #applyMetadata(metaStream: string, message: Uint8Array): void {
    const stream = this.#stream(metaStream.slice(2));
    const { type, data } = proposedIn(message);
    if (type !== '$metadata') return;
    // Whoever may write metadata writes this shape; what else is in it does not concern the double.
    const metadata = JSON.parse(Buffer.from(data).toString()) as { $tb?: number; $maxCount?: number };
    const before = metadata.$tb ?? 0;
    stream.truncateBefore = before >= LONG_MAX ? LONG_MAX : before;
    stream.maxCount = metadata.$maxCount ?? Infinity;
  }

  #stream(name: string): Stream {
    let stream = this.#streams.get(name);
    if (stream === undefined) {
      stream = { name, indexes: [], head: NO_STREAM, truncateBefore: 0, maxCount: Infinity, tombstoned: false };
      this.#streams.set(name, stream);
    }
    return stream;
  }
}

const TOMBSTONE = '$streamDeleted';

const system = (type: string, text: string): ProposedEvent => ({
  id: randomUUID(),
  type,
  contentType: 'application/json',
  metadata: new Uint8Array(0),
  data: Buffer.from(text),
});

const truncation = (name: string, before: number): AppendRequest => ({
  stream: `$$${name}`,
  expected: 'any',
  events: [system('$metadata', `{"$tb":${longText(before)}}`)],
});
