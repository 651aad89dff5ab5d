import { firstIndex } from '#runtime';
import type {
  Append,
  AppendOutcome,
  Commit,
  Envelope,
  Filter,
  NewEvent,
  Position,
  ReadAllOptions,
  RecordedEvent,
  Revision,
  StreamName,
  SubscribeOptions,
  SubscriptionMessage,
} from '../event-store.js';
import { EventStore, LOG_START, NO_STREAM, PAGE_BYTES_MAX, PAGE_EVENTS_MAX } from '../event-store.js';
import type { FollowerLimits, Page } from '../log-followers.js';
import { letsCommit, LogFollowers } from '../log-followers.js';
import { envelopeOf, lastPosition, pack, unpack } from '../packed.js';

const PAGE_COMMITS = 512;

/** The log in memory: the reference for every adapter, and the store for tests. Durable for as long as the object lives. */
export class MemoryEventStore extends EventStore {
  /** In position order; commits of archived streams are taken out. */
  #log: Commit[] = [];
  readonly #streams = new Map<StreamName, Commit[]>();
  #lastId = 0;
  #stopped = false;
  #followers: LogFollowers;

  constructor(readonly limits?: FollowerLimits) {
    super();
    this.#followers = this.#newFollowers();
  }

  /** Also after `stop`: what was appended is still there. */
  async start(): Promise<void> {
    if (this.#stopped) this.#followers = this.#newFollowers();
    this.#stopped = false;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#followers.close();
  }

  append(append: Append, settle: (outcome: AppendOutcome) => void): void {
    const packed = pack(append);
    const outcome = this.#stopped ? STOPPED : this.#commit(append, packed);
    queueMicrotask(() => settle(outcome));
  }

  async readStream(
    stream: StreamName,
    { from = 0 as Revision, limit = Infinity }: { from?: Revision; limit?: number } = {},
  ): Promise<readonly RecordedEvent[]> {
    const commits = this.#streams.get(stream) ?? [];
    const events: RecordedEvent[] = [];
    for (let index = indexHolding(commits, from); index < commits.length && events.length < limit; index++) {
      const commit = commits[index]!;
      for (const event of unpack(commit)) if (event.revision >= from && events.length < limit) events.push(event);
    }
    return events;
  }

  async *readPages(
    stream: StreamName,
    { from = 0 as Revision }: { from?: Revision } = {},
  ): AsyncGenerator<readonly RecordedEvent[]> {
    const commits = this.#streams.get(stream) ?? [];
    let events: RecordedEvent[] = [];
    let bytes = 0;
    for (let index = indexHolding(commits, from); index < commits.length; index++) {
      const commit = commits[index]!;
      for (const event of unpack(commit)) if (event.revision >= from) events.push(event);
      bytes += commit.packed.length;
      if (events.length < PAGE_EVENTS_MAX && bytes < PAGE_BYTES_MAX) continue;
      yield events;
      events = [];
      bytes = 0;
      await new Promise((resolve) => setImmediate(resolve));
    }
    if (events.length > 0) yield events;
  }

  async readAll(
    after: Position,
    { limit, bytesMax = Infinity, filter = {} }: ReadAllOptions,
  ): Promise<readonly Commit[]> {
    const found: Commit[] = [];
    let bytes = 0;
    const first = this.#indexAfter(after);
    for (let index = first; index < this.#log.length && found.length < limit && bytes < bytesMax; index++) {
      const commit = this.#log[index]!;
      if (!letsCommit(filter, commit)) continue;
      found.push(commit);
      bytes += commit.packed.length;
    }
    return found;
  }

  subscribe(after: Position, { filter = {}, signal }: SubscribeOptions): AsyncIterable<SubscriptionMessage> {
    return this.#followers.follow(after, filter, signal);
  }

  async head(): Promise<Position> {
    return this.#log.at(-1)?.position ?? LOG_START;
  }

  async archive(stream: StreamName, expected: Revision, stub: NewEvent, envelope: Envelope): Promise<AppendOutcome> {
    if (this.#stopped) return STOPPED;
    const append: Append = { stream, expected, events: [stub], envelope, audience: 'waiting' };
    return this.#commit(append, pack(append), true);
  }

  #commit(append: Append, packed: string, replaces = false): AppendOutcome {
    const { stream, expected } = append;
    const commits = this.#streams.get(stream) ?? [];
    const last = commits.at(-1);
    const actual = last === undefined ? NO_STREAM : revisionOf(last);
    if (expected !== actual || (replaces && last === undefined)) {
      const first = commits[indexHolding(commits, (expected + 1) as Revision)]; // the revision after the expected one
      const repeated =
        first?.firstRevision === expected + 1 && envelopeOf(first.packed).commandId === append.envelope.commandId;
      if (!repeated) return { status: 'conflict', actual };
      return { status: 'appended', revision: revisionOf(first), position: first.position };
    }
    const commit: Commit = {
      stream,
      // A revision follows the expected one.
      firstRevision: (expected + 1) as Revision,
      count: append.events.length,
      position: lastPosition(++this.#lastId, append.events.length),
      packed,
      ...(append.audience && { audience: append.audience }),
    };
    if (replaces) this.#log = this.#log.filter((other) => other.stream !== stream);
    this.#log.push(commit);
    if (replaces || last === undefined) this.#streams.set(stream, [commit]);
    else commits.push(commit);
    this.#followers.publish([commit]);
    return { status: 'appended', revision: revisionOf(commit), position: commit.position };
  }

  #newFollowers(): LogFollowers {
    const head = this.#log.at(-1)?.position ?? LOG_START;
    return new LogFollowers((after, filter) => this.#page(after, filter), head, this.limits);
  }

  #page(after: Position, filter: Filter): Page {
    const first = this.#indexAfter(after);
    const scanned = this.#log.slice(first, first + PAGE_COMMITS);
    return {
      commits: scanned.filter((commit) => letsCommit(filter, commit)),
      scannedTo: scanned.at(-1)?.position ?? after,
      atEnd: first + scanned.length >= this.#log.length,
    };
  }

  #indexAfter(position: Position): number {
    return firstIndex(this.#log.length, (index) => this.#log[index]!.position > position);
  }
}

const STOPPED: AppendOutcome = { status: 'unknown', cause: new Error('the event store is stopped') };

// A revision counts on from the commit's first.
const revisionOf = (commit: Commit): Revision => (commit.firstRevision + commit.count - 1) as Revision;

/** By halves, as the other stores find it by a key: a run of 10,000 events is not walked for its last one. */
const indexHolding = (commits: readonly Commit[], revision: Revision): number =>
  firstIndex(commits.length, (index) => revisionOf(commits[index]!) >= revision);
