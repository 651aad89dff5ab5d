import { Worker } from 'node:worker_threads';
import type {
  Append,
  AppendOutcome,
  Commit,
  Envelope,
  NewEvent,
  Position,
  ReadAllOptions,
  RecordedEvent,
  Revision,
  StreamName,
  SubscribeOptions,
  SubscriptionMessage,
} from '../event-store.js';
import { EventStore, LOG_START, LogFull } from '../event-store.js';
import type { FollowerLimits } from '../log-followers.js';
import { LogFollowers } from '../log-followers.js';
import { lastPosition, pack, POSITIONS_AN_APPEND } from '../packed.js';
import { openSqliteLogReader, type SqliteLogReader } from './log-reader.js';
import type { BatchResult, WriterOptions } from './log-writer.js';
import { actualOf, LogLocked } from './log-writer.js';
import { LogUnusable } from './log-file.js';
import type { Failure, Order, Report } from './writer-thread.js';

export type SqliteEventStoreOptions = {
  readonly folder: string;
  /** The log can no longer be trusted to this process (a failed commit, a dead writer): end the process. Called once. */
  readonly onFatal: (error: unknown) => void;
  readonly lockWaitMs?: number;
  readonly walPages?: number;
  readonly followers?: FollowerLimits;
};

/** The file system or the writer has failed: what was under way may or may not be in the log, and this process must end. */
export class LogFailed extends Error {
  readonly code = 'log-failed';
  readonly retryable = false;
}

/** What went through the store since its start, and how many appends reads of one stream have looked at. */
export type StoreStats = {
  readonly appends: number;
  readonly commits: number;
  readonly bytes: number;
  readonly appendsRead: number;
};

const LOCK_WAIT_MS = 5000;
/** 32 MB of log, then a checkpoint, then the same file again from its start. */
const WAL_PAGES = 8192;
const BATCH_APPENDS_MAX = 1024;
const BATCH_BYTES_MAX = 4 * 1024 * 1024;

type Pending = {
  readonly append: Append;
  readonly packed: string;
  readonly replaces: boolean;
  readonly settle: (outcome: AppendOutcome) => void;
};

/** The log in one SQLite file: written by a thread of its own, read in the thread that asks, followed from memory. */
export class SqliteEventStore extends EventStore {
  #writer: Worker | null = null;
  #reader: SqliteLogReader | null = null;
  #followers: LogFollowers | null = null;
  #starting: Promise<void> | null = null;
  #stopping: Promise<void> | null = null;
  #pending: Pending[] = [];
  /**
   * What is being committed; what arrives meanwhile is the next batch. A second batch at the thread in advance made
   * batches smaller and cost more: at 256 with pauses, 84 appends a batch against 117, and no more appends a second.
   */
  #inFlight: readonly Pending[] = [];
  #sendScheduled = false;
  /** Why nothing is appended any more. */
  #closed: Error | null = new Error('the event store is not started');
  #whenIdle: (() => void) | null = null;
  #lastId = 0;
  #stats = { appends: 0, commits: 0, bytes: 0 };

  constructor(readonly options: SqliteEventStoreOptions) {
    super();
  }

  start(): Promise<void> {
    return (this.#starting ??= this.#start());
  }

  stop(): Promise<void> {
    return (this.#stopping ??= this.#stop());
  }

  append(append: Append, settle: (outcome: AppendOutcome) => void): void {
    this.#enqueue({ append, packed: pack(append), replaces: false, settle });
  }

  archive(stream: StreamName, expected: Revision, stub: NewEvent, envelope: Envelope): Promise<AppendOutcome> {
    const append = { stream, expected, events: [stub], envelope };
    return new Promise((settle) => this.#enqueue({ append, packed: pack(append), replaces: true, settle }));
  }

  async readStream(
    stream: StreamName,
    options: { from?: Revision; limit?: number } = {},
  ): Promise<readonly RecordedEvent[]> {
    return this.#open(this.#reader).readStream(stream, options);
  }

  readPages(stream: StreamName, options: { from?: Revision } = {}): AsyncIterable<readonly RecordedEvent[]> {
    return this.#open(this.#reader).readPages(stream, options);
  }

  async readAll(after: Position, options: ReadAllOptions): Promise<readonly Commit[]> {
    return this.#open(this.#reader).readAll(after, options);
  }

  subscribe(after: Position, { filter = {}, signal }: SubscribeOptions): AsyncIterable<SubscriptionMessage> {
    return this.#open(this.#followers).follow(after, filter, signal);
  }

  async head(): Promise<Position> {
    return this.#open(this.#reader).head();
  }

  stats(): StoreStats {
    return { ...this.#stats, appendsRead: this.#reader?.appendsRead ?? 0 };
  }

  async #start(): Promise<void> {
    const { folder, lockWaitMs = LOCK_WAIT_MS, walPages = WAL_PAGES, followers } = this.options;
    const workerData: WriterOptions = { folder, lockWaitMs, walPages };
    const writer = new Worker(new URL('./writer-thread.js', import.meta.url), { workerData, name: 'event-log-writer' });
    this.#writer = writer;
    await this.#untilReady(writer, folder, lockWaitMs);
    writer.on('message', (report: Report) => this.#hear(report));
    writer.on('error', (error) => this.#fail(error));
    writer.on('exit', () => this.#fail(new LogFailed('the writer of the event log has ended')));
    const reader = openSqliteLogReader(folder);
    const head = reader.head();
    this.#reader = reader;
    this.#lastId = head === LOG_START ? 0 : Math.floor(head / POSITIONS_AN_APPEND);
    this.#followers = new LogFollowers((after, filter) => reader.page(after, filter), head, followers);
    this.#closed = null;
  }

  #untilReady(writer: Worker, folder: string, lockWaitMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const done = (): void => {
        writer.off('error', failed).off('exit', ended).off('message', heard);
      };
      const failed = (error: unknown): void => {
        done();
        reject(error);
      };
      const ended = (): void => failed(new LogFailed('the writer of the event log did not start'));
      const heard = (report: Report): void => {
        if (typeof report === 'object' && 'failed' in report) return failed(faultOf(report.failed, folder, lockWaitMs));
        done();
        resolve();
      };
      writer.on('error', failed).on('exit', ended).on('message', heard);
    });
  }

  async #stop(): Promise<void> {
    await this.#starting?.catch(() => {
      // Whoever started it was told.
    });
    const writer = this.#writer;
    if (writer === null || this.#reader === null) return;
    this.#closed ??= new Error('the event store is stopped');
    if (this.#inFlight.length + this.#pending.length > 0) {
      await new Promise<void>((resolve) => (this.#whenIdle = resolve));
    }
    this.#followers?.close();
    const reader = this.#reader;
    this.#reader = null;
    writer.removeAllListeners('exit');
    const ended = new Promise((resolve) => writer.once('exit', resolve));
    if (writer.threadId !== -1) {
      this.#post(writer, 'stop');
      await ended;
    }
    // Last, since a connection that may not write leaves the files beside the log in place, the WAL empty: a start on a disk
    // that is full by then has no room to make them.
    reader.close();
  }

  #enqueue(pending: Pending): void {
    if (this.#closed !== null) {
      const cause = this.#closed;
      queueMicrotask(() => pending.settle({ status: 'unknown', cause }));
      return;
    }
    this.#pending.push(pending);
    this.#schedule();
  }

  /** Everything that the current turn of the event loop appends goes together. */
  #schedule(): void {
    if (this.#sendScheduled || this.#inFlight.length > 0) return;
    this.#sendScheduled = true;
    setImmediate(() => {
      this.#sendScheduled = false;
      if (this.#pending.length > 0 && this.#inFlight.length === 0) this.#send();
    });
  }

  #send(): void {
    const taken = this.#take();
    const streams: StreamName[] = [];
    const expected: number[] = [];
    const counts: number[] = [];
    const packed: string[] = [];
    const archives: number[] = [];
    for (const pending of taken) {
      if (pending.replaces) archives.push(streams.length);
      streams.push(pending.append.stream);
      expected.push(pending.append.expected);
      counts.push(pending.append.events.length);
      packed.push(pending.packed);
    }
    this.#inFlight = taken;
    this.#post(this.#writer!, { streams, expected, counts, packed, archives });
  }

  #take(): readonly Pending[] {
    let count = 0;
    for (let bytes = 0; count < this.#pending.length && count < BATCH_APPENDS_MAX && bytes < BATCH_BYTES_MAX; count++) {
      bytes += this.#pending[count]!.packed.length;
    }
    const taken = this.#pending.slice(0, count);
    this.#pending = this.#pending.slice(count);
    return taken;
  }

  #post(writer: Worker, order: Order): void {
    writer.postMessage(order);
  }

  #hear(report: Report): void {
    if (report === 'ready') return;
    if (report !== 'full' && 'failed' in report) return this.#fail(new LogFailed(report.failed.message));
    const batch = this.#inFlight;
    this.#inFlight = [];
    // First, so that the thread is at work while this one answers.
    if (this.#pending.length > 0) this.#send();
    if (report === 'full') this.#refuse(batch);
    else this.#settle(batch, report);
    if (this.#inFlight.length + this.#pending.length === 0) this.#whenIdle?.();
  }

  #refuse(batch: readonly Pending[]): void {
    const fault = new LogFull(`there is no room for the event log in ${this.options.folder}`);
    for (const pending of batch) pending.settle({ status: 'refused', fault });
  }

  /** Followers first: whoever is told that its append is in the log finds it in the head. */
  #settle(batch: readonly Pending[], result: BatchResult): void {
    const commits: Commit[] = [];
    const outcomes = batch.map(({ append, packed }, index): AppendOutcome => {
      const id = result[index]!;
      // The writer counts revisions and appends.
      if (id < 0) return { status: 'conflict', actual: actualOf(id) as Revision };
      const count = append.events.length;
      const revision = (append.expected + count) as Revision;
      const position = lastPosition(id, count);
      // Not above the last one: a repeat of what was handed on already.
      if (id > this.#lastId) {
        this.#lastId = id;
        this.#stats.bytes += Buffer.byteLength(packed);
        const firstRevision = (append.expected + 1) as Revision;
        commits.push({ stream: append.stream, firstRevision, count, position, packed });
      }
      return { status: 'appended', revision, position };
    });
    this.#stats.appends += commits.length;
    this.#stats.commits++;
    this.#followers!.publish(commits);
    for (const [index, pending] of batch.entries()) pending.settle(outcomes[index]!);
  }

  #fail(error: unknown): void {
    if (this.#closed !== null && this.#inFlight.length + this.#pending.length === 0) return;
    const failure = error instanceof LogFailed ? error : new LogFailed(String(error), { cause: error });
    const first = this.#closed === null;
    this.#closed ??= failure;
    const lost = [...this.#inFlight, ...this.#pending];
    this.#inFlight = [];
    this.#pending = [];
    for (const pending of lost) pending.settle({ status: 'unknown', cause: failure });
    this.#whenIdle?.();
    if (first) this.options.onFatal(failure);
  }

  #open<T>(part: T | null): T {
    if (part === null) throw new Error('the event store is not started, or stopped');
    return part;
  }
}

/** An error that came over from the writer's thread, where its class was lost. */
const faultOf = ({ code, message }: Failure, folder: string, lockWaitMs: number): Error => {
  if (code === 'log-locked') return new LogLocked(folder, lockWaitMs);
  return code === 'log-unusable' ? new LogUnusable(message) : new LogFailed(message);
};
