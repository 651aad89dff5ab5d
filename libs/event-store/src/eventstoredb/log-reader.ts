import type { Clock } from '#runtime';
import type { Commit, Position, ReadAllOptions, RecordedEvent, Revision, StreamName } from '../event-store.js';
import { LOG_START, NO_STREAM, PAGE_BYTES_MAX, PAGE_EVENTS_MAX } from '../event-store.js';
import { lets } from '../log-followers.js';
import { POSITIONS_AN_APPEND, unpack } from '../packed.js';
import type { Connector } from './connector.js';
import { DEADLINE_EXCEEDED, isNotLeader, isPassing, isStreamDeleted } from './grpc-errors.js';
import { arrivalOf, Inflow } from './inflow.js';
import { readRequest, type ReadRequest, type ServerPosition } from './read-request.js';
import type { ReadResponse, ServerEvent } from './read-response.js';
import { metadataOf, placeOf, type StoredCommit, type StreamMetadata } from './stored-append.js';
import { StreamPlaces } from './stream-places.js';

/** The log could not be read for a while, in spite of trying again. */
export class LogUnreachable extends Error {
  readonly code = 'log-unreachable';
  readonly retryable = true;
}

/** A stream that was deleted for ever, by somebody else: the server gives nothing of it and takes nothing for it. */
export class StreamDeleted extends Error {
  readonly code = 'stream-deleted';
  readonly retryable = false;
}

const EVERYTHING = Number.MAX_SAFE_INTEGER;
const NO_METADATA: StreamMetadata = { revision: NO_STREAM, members: {}, chars: 0 };
const PAUSE_MIN_MS = 50;
const PAUSE_MAX_MS = 500;

/** Where the server has the append that a position is in. */
export const serverPosition = (position: Position): ServerPosition | 'start' => {
  if (position === LOG_START) return 'start';
  const commit = String(Math.floor(position / POSITIONS_AN_APPEND));
  return { commit, prepare: commit };
};

const lastRevisionOf = ({ firstRevision, count }: StoredCommit): Revision => (firstRevision + count - 1) as Revision; // counted on from the first

/** Reads of the log. While the server cannot be reached they are tried again, for a bounded time. */
export class LogReader {
  /** What this process has read, or appended itself. */
  readonly places = new StreamPlaces();

  constructor(
    readonly connector: Connector,
    readonly clock: Clock,
    readonly patienceMs: number,
  ) {}

  async readStream(
    stream: StreamName,
    { from = 0 as Revision, limit = EVERYTHING }: { from?: Revision; limit?: number } = {},
  ): Promise<readonly RecordedEvent[]> {
    return this.#patiently(async () => {
      const revision = from <= 0 ? 'start' : await this.#revisionHolding(stream, from);
      if (revision === null || limit < 1) return [];
      const events: RecordedEvent[] = [];
      await this.#each({ source: { stream, revision }, count: limit }, (commit) => {
        for (const event of unpack(commit)) if (event.revision >= from && events.length < limit) events.push(event);
        return events.length < limit;
      });
      return events;
    });
  }

  /** Each page is a read of its own, so that a slow reader holds none open. */
  async *readPages(
    stream: StreamName,
    { from = 0 as Revision }: { from?: Revision } = {},
  ): AsyncGenerator<readonly RecordedEvent[]> {
    for (let next = from; ;) {
      const { events, atEnd } = await this.#patiently(() => this.#streamPage(stream, next));
      const last = events.at(-1);
      if (last !== undefined) yield events;
      if (atEnd || last === undefined) return;
      next = (last.revision + 1) as Revision; // the next of the same stream
    }
  }

  async #streamPage(stream: StreamName, from: Revision): Promise<{ events: readonly RecordedEvent[]; atEnd: boolean }> {
    const revision = from <= 0 ? 'start' : await this.#revisionHolding(stream, from);
    if (revision === null) return { events: [], atEnd: true };
    const events: RecordedEvent[] = [];
    let bytes = 0;
    let atEnd = true;
    // Not so many of the server's: others may have written into the stream.
    await this.#each({ source: { stream, revision }, count: EVERYTHING }, (commit) => {
      for (const event of unpack(commit)) if (event.revision >= from) events.push(event);
      bytes += commit.packed.length;
      atEnd = events.length < PAGE_EVENTS_MAX && bytes < PAGE_BYTES_MAX;
      return atEnd;
    });
    return { events, atEnd };
  }

  /** Revision of a stream's last event. */
  async revision(stream: StreamName): Promise<Revision> {
    const last = await this.#patiently(() => this.#lastOf(stream));
    return last === null ? NO_STREAM : lastRevisionOf(last);
  }

  /** The server's revision of a stream whose last event is, or was once, that at `revision`; as far as it is known here. */
  knownRevisionAt(stream: StreamName, revision: Revision): number | null {
    if (revision === NO_STREAM) return NO_STREAM;
    const place = this.places.get(stream);
    if (place?.last === revision) return place.server;
    return place?.first === revision + 1 ? place.server - 1 : null;
  }

  /** The same, asked of the server; `null` when the stream never was at `revision`. */
  async revisionAt(stream: StreamName, revision: Revision): Promise<number | null> {
    const known = this.knownRevisionAt(stream, revision);
    if (known !== null) return known;
    const found = await this.#patiently(() => this.#holding(stream, revision));
    if (found === null) return null;
    if (found.firstRevision === revision + 1) return found.serverRevision - 1;
    return lastRevisionOf(found) === revision ? found.serverRevision : null;
  }

  /** What the server keeps about a stream, by the name of the stream that it keeps it in. */
  metadata(metaStream: StreamName): Promise<StreamMetadata> {
    const request: ReadRequest = { source: { stream: metaStream, revision: 'end' }, count: 1, backwards: true };
    return this.#patiently(async () => (await this.#first(request, metadataOf)) ?? NO_METADATA);
  }

  async readAll(
    after: Position,
    { limit, bytesMax = Infinity, filter = {} }: ReadAllOptions,
  ): Promise<readonly Commit[]> {
    if (limit < 1) return [];
    const most = { limit, bytesMax };
    if (filter.stream !== undefined) return this.#readOne(filter.stream, after, { ...most, filter });
    const prefixes = filter.prefixes ?? null;
    if (prefixes?.length === 0) return [];
    const source = { position: serverPosition(after), prefixes };
    return this.#patiently(() => this.#commits({ source, count: EVERYTHING }, after, most));
  }

  /**
   * Position of the last event, whoever's it is, the server's own too: a reader is told of those by how far it is, and to look
   * for ours behind many of theirs would take the longer the more they are.
   */
  head(): Promise<Position> {
    const request: ReadRequest = { source: { position: 'end', prefixes: 'everything' }, count: 1, backwards: true };
    return this.#patiently(async () => (await this.#first(request, placeOf))?.position ?? LOG_START);
  }

  /** Opens a read; whoever asked closes it. */
  open(request: ReadRequest): Promise<Inflow> {
    const { source } = request;
    // Who reads everything, as the projector does, has nothing to do with a stream of it.
    if (!('stream' in source) && source.audience === undefined) return this.#open(request, arrivalOf);
    return this.#open(request, (response) => {
      const arrival = arrivalOf(response);
      if (arrival?.type === 'commit') this.#note(arrival.commit);
      return arrival;
    });
  }

  #note(commit: StoredCommit): void {
    const { stream, firstRevision: first, serverRevision: server } = commit;
    this.places.note(stream, { first, last: lastRevisionOf(commit), server });
  }

  async #open<Item extends { readonly chars: number }>(
    request: ReadRequest,
    decode: (response: ReadResponse) => Item | null,
  ): Promise<Inflow<Item>> {
    const { current } = this.connector;
    // The next call goes over a new connection, if this one is to blame.
    const broke = (error: unknown): void => {
      if (isPassing(error) && !isNotLeader(error)) this.connector.renew(current);
    };
    try {
      return new Inflow(await current.read(readRequest(request)), decode, broke);
    } catch (error) {
      broke(error);
      throw error;
    }
  }

  async #readOne(
    stream: StreamName,
    after: Position,
    { filter, ...most }: Required<ReadAllOptions>,
  ): Promise<readonly Commit[]> {
    if (!lets(filter, stream)) return [];
    return this.#patiently(() =>
      this.#commits({ source: { stream, revision: 'start' }, count: EVERYTHING }, after, most),
    );
  }

  async #commits(
    request: ReadRequest,
    after: Position,
    { limit, bytesMax }: { limit: number; bytesMax: number },
  ): Promise<readonly Commit[]> {
    const found: Commit[] = [];
    let bytes = 0;
    await this.#each(request, (commit) => {
      if (commit.position <= after) return true;
      found.push(commit);
      bytes += commit.packed.length;
      return found.length < limit && bytes < bytesMax;
    });
    return found;
  }

  /** The server's revision of the append that holds an event; `null` when the stream does not reach it. */
  async #revisionHolding(stream: StreamName, revision: Revision): Promise<number | null> {
    const place = this.places.get(stream);
    if (place !== undefined && place.first <= revision && revision <= place.last) return place.server;
    // What a reader asks for who has read so far.
    if (place !== undefined && revision === place.last + 1) return place.server + 1;
    return (await this.#holding(stream, revision))?.serverRevision ?? null;
  }

  /** The first append of a stream that ends at a revision or past it, looked for by halves; `null` when there is none. */
  async #holding(stream: StreamName, revision: Revision): Promise<StoredCommit | null> {
    let found = await this.#lastOf(stream);
    if (found === null || lastRevisionOf(found) < revision) return null;
    for (let [low, high] = [0, found.serverRevision]; found.firstRevision > revision && low < high;) {
      const middle = (low + high) >> 1;
      // `found` at the latest: what is hidden, or somebody else's, is passed over.
      const at: StoredCommit = (await this.#one({ source: { stream, revision: middle }, count: 1 })) ?? found;
      if (lastRevisionOf(at) < revision) low = at.serverRevision + 1;
      else [found, high] = [at, middle];
    }
    return found;
  }

  #lastOf(stream: StreamName): Promise<StoredCommit | null> {
    return this.#one({ source: { stream, revision: 'end' }, count: 1, backwards: true });
  }

  /** The first append that a read brings. */
  async #one(request: ReadRequest): Promise<StoredCommit | null> {
    let found: StoredCommit | null = null;
    const take = (commit: StoredCommit): boolean => (found = commit) === null;
    await this.#each(request, take);
    // Somebody else may have written into the stream.
    if (found === null) await this.#each({ ...request, count: EVERYTHING }, take);
    return found;
  }

  /** The first event that a read brings; `undefined` when there is none. */
  async #first<Item extends { readonly chars: number }>(
    request: ReadRequest,
    decode: (event: ServerEvent) => Item,
  ): Promise<Item | undefined> {
    const inflow = await this.#open(request, (response) => (response.type === 'event' ? decode(response) : null));
    try {
      return (await this.#soon(inflow, request))?.[0];
    } finally {
      inflow.close();
    }
  }

  /** Hands on appends until the read ends or `visit` has enough. */
  async #each(request: ReadRequest, visit: (commit: StoredCommit) => boolean): Promise<void> {
    const inflow = await this.open(request);
    try {
      for (;;) {
        const arrivals = await this.#soon(inflow, request);
        if (arrivals === null) return;
        for (const arrival of arrivals) if (arrival.type === 'commit' && !visit(arrival.commit)) return;
      }
    } finally {
      inflow.close();
    }
  }

  /** A read of a stream, or of the end of the log, brings something at once, or the server is stuck. */
  async #soon<Item extends { readonly chars: number }>(
    inflow: Inflow<Item>,
    { source, backwards }: ReadRequest,
  ): Promise<readonly Item[] | null> {
    // The server may search the whole log for a prefix, and says nothing meanwhile.
    if (!('stream' in source) && backwards !== true) return inflow.take();
    // Half of the patience, so that there is time to ask again on another connection.
    const withinMs = this.patienceMs / 2;
    const late = Object.assign(new Error(`nothing was read within ${withinMs} ms`), { code: DEADLINE_EXCEEDED });
    const cancel = this.clock.after(withinMs, () => inflow.fail(late));
    try {
      return await inflow.take();
    } finally {
      cancel();
    }
  }

  async #patiently<T>(read: () => Promise<T>): Promise<T> {
    const untilMs = this.clock.monotonicMs() + this.patienceMs;
    for (let pauseMs = PAUSE_MIN_MS; ; pauseMs = Math.min(pauseMs * 2, PAUSE_MAX_MS)) {
      try {
        return await read();
      } catch (error) {
        if (isStreamDeleted(error)) throw new StreamDeleted('the stream was deleted for ever', { cause: error });
        if (!isPassing(error)) throw error;
        if (this.clock.monotonicMs() + pauseMs > untilMs) {
          throw new LogUnreachable(`EventStoreDB could not be read for ${this.patienceMs} ms`, { cause: error });
        }
        await new Promise<void>((resolve) => this.clock.after(pauseMs, resolve));
      }
    }
  }
}
