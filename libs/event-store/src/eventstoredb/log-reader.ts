import type { Clock, Log } from '#runtime';
import type { Commit, Position, ReadAllOptions, RecordedEvent, Revision, StreamName } from '../event-store.js';
import { LOG_START, NO_STREAM, PAGE_BYTES_MAX, PAGE_EVENTS_MAX } from '../event-store.js';
import { lets } from '../log-followers.js';
import { OUR_STREAMS } from '../stream-names.js';
import type { Connector } from './connector.js';
import { DEADLINE_EXCEEDED, isNotLeader, isPassing, isStreamDeleted } from './grpc-errors.js';
import { Inflow } from './inflow.js';
import { readRequest, type ReadRequest, type ServerPosition } from './read-request.js';
import type { ServerEvent } from './read-response.js';
import { follows, Regrouping, type Arrival } from './regrouping.js';
import {
  commitOf,
  metadataOf,
  recordedEvent,
  storedEvent,
  type StoredEvent,
  type StreamMetadata,
} from './stored-events.js';

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
const TOLD_MAX = 10_000;
const PAUSE_MIN_MS = 50;
const PAUSE_MAX_MS = 500;

/** A position as the server names it: it is the server's. */
export const serverPosition = (position: Position): ServerPosition | 'start' => {
  if (position === LOG_START) return 'start';
  const commit = String(position);
  return { commit, prepare: commit };
};

/** A read of appends under way, and what makes them of its events. */
export type Appends = { readonly inflow: Inflow<Arrival>; readonly regrouping: Regrouping };

/** What has come of an append whose other events have not, at the end of a read. */
export const restOf = (regrouping: Regrouping): readonly Arrival[] => {
  const rest: Arrival[] = [];
  regrouping.rest((arrival) => rest.push(arrival));
  return rest;
};

const isOurStream = (stream: string): boolean => OUR_STREAMS.some((prefix) => stream.startsWith(prefix));

/** Reads of the log. While the server cannot be reached they are tried again, for a bounded time. */
export class LogReader {
  readonly #told = new Set<string>();

  constructor(
    readonly connector: Connector,
    readonly clock: Clock,
    readonly log: Log,
    readonly patienceMs: number,
  ) {}

  /** Says once of an event that it is not ours: it will be read again, by everybody who reads the stream. */
  onForeign({ stream, revision, data }: StoredEvent): void {
    const place = `${revision}@${stream}`;
    if (this.#told.has(place)) return;
    if (this.#told.size >= TOLD_MAX) this.#told.clear();
    this.#told.add(place);
    const { eventType } = JSON.parse(data) as { readonly eventType: string }; // what `foreignData` made
    this.log.warn('an event that is not of Stepwell stands in one of its streams: it is passed over', {
      stream,
      revision,
      eventType,
    });
  }

  async readStream(
    stream: StreamName,
    { from = 0 as Revision, limit = EVERYTHING }: { from?: Revision; limit?: number } = {},
  ): Promise<readonly RecordedEvent[]> {
    if (limit < 1) return [];
    const { events } = await this.#patiently(() => this.#events(stream, from, { count: limit, bytesMax: Infinity }));
    return events.map(recordedEvent);
  }

  /** Each page is a read of its own, so that a slow reader holds none open. */
  async *readPages(
    stream: StreamName,
    { from = 0 as Revision }: { from?: Revision } = {},
  ): AsyncGenerator<readonly RecordedEvent[]> {
    const most = { count: PAGE_EVENTS_MAX, bytesMax: PAGE_BYTES_MAX };
    for (let next = from; ;) {
      const { events, atEnd } = await this.#patiently(() => this.#events(stream, next, most));
      const last = events.at(-1);
      if (last !== undefined) yield events.map(recordedEvent);
      if (atEnd || last === undefined) return;
      next = (last.revision + 1) as Revision; // the next of the same stream
    }
  }

  /** Some events of a stream; `atEnd`: there are no more. */
  async #events(
    stream: StreamName,
    from: Revision,
    { count, bytesMax }: { count: number; bytesMax: number },
  ): Promise<{ events: readonly StoredEvent[]; atEnd: boolean }> {
    const events: StoredEvent[] = [];
    let chars = 0;
    const request: ReadRequest = { source: { stream, revision: from <= 0 ? 'start' : from }, count };
    const inflow = await this.#open<StoredEvent & { chars: number }>(request, (response, put) => {
      if (response.type === 'event') put(Object.assign(storedEvent(response), { chars: response.data.length }));
    });
    try {
      for (let taken = await this.#soon(inflow, request); taken !== null; taken = await this.#soon(inflow, request)) {
        for (const event of taken) {
          if (event.isForeign) this.onForeign(event);
          events.push(event);
          chars += event.chars;
          if (chars >= bytesMax) return { events, atEnd: false };
        }
      }
    } finally {
      inflow.close();
    }
    return { events, atEnd: events.length < count };
  }

  /** Revision of a stream's last event. */
  async revision(stream: StreamName): Promise<Revision> {
    const request: ReadRequest = { source: { stream, revision: 'end' }, count: 1, backwards: true };
    const of = ({ revision }: ServerEvent) => ({ revision: revision as Revision, chars: 0 }); // the server's counts are ours
    return (await this.#patiently(() => this.#first(request, of)))?.revision ?? NO_STREAM;
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
    const of = ({ commit }: ServerEvent) => ({ position: commit as Position, chars: 0 }); // positions are the server's
    return this.#patiently(async () => (await this.#first(request, of))?.position ?? LOG_START);
  }

  /** Opens a read of appends past a position; whoever asked closes it. */
  async open(request: ReadRequest, after: Position): Promise<Appends> {
    const { source } = request;
    const { audience, prefixes } = 'stream' in source ? { audience: undefined, prefixes: [] } : source;
    const regrouping = new Regrouping({
      after,
      audience,
      isOurs: prefixes === null ? isOurStream : () => true,
      onForeign: (event) => this.onForeign(event),
    });
    return { inflow: await this.#open(request, regrouping.take), regrouping };
  }

  /** The append that some events are of: with the others, as far as there are any. */
  async whole(part: readonly StoredEvent[]): Promise<Commit> {
    const [first] = part as [StoredEvent];
    const from = (first.revision - first.index) as Revision; // of the same stream
    const most = { count: first.of, bytesMax: Infinity };
    let all = [...part];
    const { events } = await this.#patiently(() => this.#events(first.stream, from, most)).catch((error: unknown) => {
      // For ever: what is left in the log is all there is.
      if (error instanceof StreamDeleted) return { events: [] };
      throw error;
    });
    for (const event of events) if (follows(all.at(-1)!, event)) all.push(event);
    for (const event of events.toReversed()) if (follows(event, all[0]!)) all = [event, ...all];
    return commitOf(all);
  }

  async #open<Item extends { readonly chars: number }>(
    request: ReadRequest,
    decode: Inflow<Item>['decode'],
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
    for await (const commit of this.#appends(request, after)) {
      if (commit.position <= after) continue;
      found.push(commit);
      bytes += commit.packed.length;
      if (found.length >= limit || bytes >= bytesMax) break;
    }
    return found;
  }

  /** The first event that a read brings; `undefined` when there is none. */
  async #first<Item extends { readonly chars: number }>(
    request: ReadRequest,
    decode: (event: ServerEvent) => Item,
  ): Promise<Item | undefined> {
    const inflow = await this.#open<Item>(request, (response, put) => {
      if (response.type === 'event') put(decode(response));
    });
    try {
      return (await this.#soon(inflow, request))?.[0];
    } finally {
      inflow.close();
    }
  }

  async *#appends(request: ReadRequest, after: Position): AsyncGenerator<Commit> {
    const { inflow, regrouping } = await this.open(request, after);
    try {
      for (let isOver = false; !isOver;) {
        const taken = await this.#soon(inflow, request);
        isOver = taken === null;
        for (const arrival of taken ?? restOf(regrouping)) {
          if (arrival.type === 'commit') yield arrival.commit;
          else if (arrival.type === 'part') yield await this.whole(arrival.events);
        }
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
