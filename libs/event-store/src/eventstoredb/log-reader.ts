import type { ReadResp } from '@eventstore/db-client/generated/streams_pb.js';
import type { Clock } from '#runtime';
import type { Commit, Filter, Position, RecordedEvent, Revision, StreamName } from '../event-store.js';
import { LOG_START, NO_STREAM } from '../event-store.js';
import { lets } from '../log-followers.js';
import type { Connector } from './connector.js';
import { DEADLINE_EXCEEDED, isNotLeader, isPassing, isStreamDeleted } from './grpc-errors.js';
import { arrivalOf, Inflow } from './inflow.js';
import { readRequest, type ReadRequest, type ServerPosition } from './read-request.js';
import {
  CommitGatherer,
  metadataOf,
  placeOf,
  recordedEvents,
  type StoredEvent,
  type StreamMetadata,
} from './stored-event.js';

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
const NO_METADATA: StreamMetadata = { revision: NO_STREAM, position: LOG_START, members: {}, chars: 0 };
const PAUSE_MIN_MS = 50;
const PAUSE_MAX_MS = 500;

/** A place that a commit has given, for the server. */
export const serverPosition = (position: Position): ServerPosition | 'start' =>
  position === LOG_START ? 'start' : { commit: String(position), prepare: String(position) };

/** Reads of the log. While the server cannot be reached they are tried again, for a bounded time. */
export class LogReader {
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
      const events = await this.#events({ source: { stream, revision: from }, count: limit });
      const last = events.at(-1);
      if (last === undefined) return [];
      const missing = last.count - 1 - last.ordinal;
      const onwards = { source: { stream, revision: last.revision + 1 }, count: missing };
      return recordedEvents(events, missing === 0 ? [] : await this.#events(onwards));
    });
  }

  /** Revision of a stream's last event. */
  async revision(stream: StreamName): Promise<Revision> {
    const request: ReadRequest = { source: { stream, revision: 'end' }, count: 1, backwards: true };
    const [last] = await this.#patiently(() => this.#events(request));
    return last === undefined ? NO_STREAM : (last.revision as Revision); // the server's count
  }

  /** What the server keeps about a stream, by the name of the stream that it keeps it in. */
  metadata(metaStream: StreamName): Promise<StreamMetadata> {
    const request: ReadRequest = { source: { stream: metaStream, revision: 'end' }, count: 1, backwards: true };
    return this.#patiently(async () => (await this.#first(request, metadataOf)) ?? NO_METADATA);
  }

  async readAll(
    after: Position,
    { limit, filter = {} }: { limit: number; filter?: Filter },
  ): Promise<readonly Commit[]> {
    if (limit < 1) return [];
    if (filter.stream !== undefined) return this.#readOne(filter.stream, after, { limit, filter });
    const prefixes = filter.prefixes ?? null;
    if (prefixes?.length === 0) return [];
    const source = { position: serverPosition(after), prefixes };
    return this.#patiently(() => this.#commits({ source, count: EVERYTHING }, after, limit));
  }

  /**
   * Position of the last event that is not the server's own. Perhaps it is another application's: to look for ours behind
   * many of theirs would take the longer the more they are.
   */
  head(): Promise<Position> {
    const request: ReadRequest = { source: { position: 'end', prefixes: null }, count: 1, backwards: true };
    return this.#patiently(async () => (await this.#first(request, placeOf))?.position ?? LOG_START);
  }

  /** Opens a read; whoever asked closes it. */
  open(request: ReadRequest): Promise<Inflow> {
    return this.#open(request, arrivalOf);
  }

  async #open<Item extends { readonly chars: number }>(
    request: ReadRequest,
    decode: (resp: ReadResp) => Item | null,
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
    { limit, filter }: { limit: number; filter: Filter },
  ): Promise<readonly Commit[]> {
    if (!lets(filter, stream)) return [];
    return this.#patiently(() =>
      this.#commits({ source: { stream, revision: 'start' }, count: EVERYTHING }, after, limit),
    );
  }

  async #commits(request: ReadRequest, after: Position, limit: number): Promise<readonly Commit[]> {
    const found: Commit[] = [];
    const gatherer = new CommitGatherer();
    await this.#each(request, (event) => {
      for (const commit of gatherer.add(event)) if (commit.position > after) found.push(commit);
      return found.length < limit;
    });
    return found.slice(0, limit);
  }

  async #events(request: ReadRequest): Promise<readonly StoredEvent[]> {
    const found: StoredEvent[] = [];
    await this.#each(request, (event) => found.push(event) > 0);
    return found;
  }

  /** The first of what a read brings; `undefined` when there is none. */
  async #first<Item extends { readonly chars: number }>(
    request: ReadRequest,
    decode: (resp: ReadResp) => Item | null,
  ): Promise<Item | undefined> {
    const inflow = await this.#open(request, decode);
    try {
      return (await this.#soon(inflow, request))?.[0];
    } finally {
      inflow.close();
    }
  }

  /** Hands on events until the read ends or `visit` has enough. */
  async #each(request: ReadRequest, visit: (event: StoredEvent) => boolean): Promise<void> {
    const inflow = await this.open(request);
    try {
      for (;;) {
        const arrivals = await this.#soon(inflow, request);
        if (arrivals === null) return;
        for (const arrival of arrivals) if (arrival.type === 'event' && !visit(arrival.event)) return;
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
