import streams from '@eventstore/db-client/generated/streams_pb.js';
import type { BatchAppendReq, ReadResp } from '@eventstore/db-client/generated/streams_pb.js';
import shared from '@eventstore/db-client/generated/shared_pb.js';
import type { Append, Commit, Envelope, Position, RecordedEvent, Revision, StreamName } from '../event-store.js';
import { AppendRefused } from '../event-store.js';
import { eventId } from '../packed.js';

/*
 * One of our events is one event of the server. Its data is the payload's text, its metadata the envelope with `v` and the
 * event's place in its append before it, so that whole appends are put together again whatever a reader began with.
 */

/** An event as the server hands it out. */
export type StoredEvent = {
  readonly id: string;
  readonly stream: StreamName;
  readonly revision: number;
  readonly position: number;
  readonly ordinal: number;
  /** Events of its append. */
  readonly count: number;
  /** JSON text. */
  readonly envelope: string;
  readonly type: string;
  readonly v: number;
  /** JSON text. */
  readonly text: string;
};

/** The server's default for one append: data, metadata, and two bytes a character of the type. */
const SERVER_APPEND_BYTES_MAX = 1024 * 1024;
const CONTENT_TYPE = 'application/json';

/** The request for an append. `correlation` comes back with the answer. */
export const batchRequest = (append: Append, correlation: string): BatchAppendReq => {
  const { stream, expected, events, envelope } = append;
  const req = new streams.BatchAppendReq();
  req.setCorrelationId(uuid(correlation));
  // Without a deadline: it would be an instant of this machine's clock, judged by the server's.
  const options = new streams.BatchAppendReq.Options();
  options.setStreamIdentifier(streamIdentifier(stream));
  setExpected(options, expected);
  req.setOptions(options);
  const envelopeText = JSON.stringify(envelope).slice(1);
  let bytes = 0;
  for (const [ordinal, { type, v, data }] of events.entries()) {
    const metadata = `{"v":${v},"ordinal":${ordinal},"count":${events.length},${envelopeText}`;
    const id = eventId(stream, expected, envelope.commandId, ordinal);
    const message = proposed(id, type, { data: Buffer.from(data), metadata: Buffer.from(metadata) });
    bytes += message.getData_asU8().length + metadata.length + 2 * type.length;
    req.addProposedMessages(message);
  }
  if (bytes > SERVER_APPEND_BYTES_MAX) {
    throw new AppendRefused(`an append holds at most ${SERVER_APPEND_BYTES_MAX} bytes on the server, not ${bytes}`);
  }
  req.setIsFinal(true);
  return req;
};

/** The request that hides the events of a stream before a revision. */
export const truncateRequest = (
  correlation: string,
  { stream, expected, id, text }: { stream: StreamName; expected: number; id: string; text: string },
): BatchAppendReq => {
  const req = new streams.BatchAppendReq();
  req.setCorrelationId(uuid(correlation));
  const options = new streams.BatchAppendReq.Options();
  options.setStreamIdentifier(streamIdentifier(stream));
  setExpected(options, expected);
  req.setOptions(options);
  req.addProposedMessages(proposed(id, '$metadata', { data: Buffer.from(text), metadata: Buffer.alloc(0) }));
  req.setIsFinal(true);
  return req;
};

const setExpected = (options: BatchAppendReq.Options, expected: number): void => {
  if (expected < 0) options.setNoStream(new shared.Empty());
  else options.setStreamPosition(String(expected));
};

const proposed = (id: string, type: string, { data, metadata }: { data: Buffer; metadata: Buffer }) => {
  const message = new streams.BatchAppendReq.ProposedMessage();
  message.setId(uuid(id));
  message.getMetadataMap().set('type', type).set('content-type', CONTENT_TYPE);
  message.setData(data);
  message.setCustomMetadata(metadata);
  return message;
};

const uuid = (text: string) => {
  const id = new shared.UUID();
  id.setString(text);
  return id;
};

/** A stream, as requests name it. */
export const streamIdentifier = (stream: string) => {
  const identifier = new shared.StreamIdentifier();
  identifier.setStreamName(Buffer.from(stream));
  return identifier;
};

const textOf = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');

const METADATA = /^\{"v":(\d+),"ordinal":(\d+),"count":(\d+),/;

/** The event in an answer; `null` for one that is not ours. */
export const storedEvent = (resp: ReadResp): StoredEvent | null => {
  const recorded = resp.getEvent()?.getEvent();
  if (recorded === undefined) return null;
  const stream = textOf(recorded.getStreamIdentifier()!.getStreamName_asU8());
  if (stream.startsWith('$')) return null;
  const place = placeIn(textOf(recorded.getCustomMetadata_asU8()));
  if (place === null) return null;
  return {
    id: recorded.getId()!.getString(),
    // Names come from the log, where we have put them.
    stream: stream as StreamName,
    revision: Number(recorded.getStreamRevision()),
    position: Number(recorded.getCommitPosition()),
    ...place,
    type: recorded.getMetadataMap().get('type') ?? '',
    text: textOf(recorded.getData_asU8()),
  };
};

type MetadataPlace = Pick<StoredEvent, 'v' | 'ordinal' | 'count' | 'envelope'>;

const placeIn = (metadata: string): MetadataPlace | null => {
  const found = METADATA.exec(metadata);
  if (found === null) return reformattedPlace(metadata);
  const [head, v, ordinal, count] = found;
  return { v: Number(v), ordinal: Number(ordinal), count: Number(count), envelope: `{${metadata.slice(head.length)}` };
};

/** Metadata that something between us and the server has written anew, or that is not ours. */
const reformattedPlace = (metadata: string): MetadataPlace | null => {
  let parsed: unknown;
  try {
    parsed = JSON.parse(metadata);
  } catch {
    return null;
  }
  if (typeof parsed !== 'object' || parsed === null) return null;
  const { v, ordinal, count, ...envelope } = parsed as Record<string, unknown>; // of an object, anything may be asked
  const isOurs = typeof v === 'number' && typeof ordinal === 'number' && typeof count === 'number';
  return isOurs && typeof envelope['commandId'] === 'string'
    ? { v, ordinal, count, envelope: JSON.stringify(envelope) }
    : null;
};

/** Where an event stands in the log, whoever has written it. */
export const placeOf = (resp: ReadResp): { readonly position: Position; readonly chars: 0 } | null => {
  const recorded = resp.getEvent()?.getEvent();
  // The server's count.
  return recorded === undefined ? null : { position: Number(recorded.getCommitPosition()) as Position, chars: 0 };
};

/** What the server keeps about a stream: how much of it is to be seen, and what others have put there. */
export type StreamMetadata = {
  readonly revision: Revision;
  readonly position: Position;
  readonly members: Readonly<Record<string, unknown>>;
  readonly chars: number;
};

/** The stream metadata in an answer. */
export const metadataOf = (resp: ReadResp): StreamMetadata | null => {
  const recorded = resp.getEvent()?.getEvent();
  if (recorded === undefined) return null;
  const text = textOf(recorded.getData_asU8());
  return {
    // The server's counts.
    revision: Number(recorded.getStreamRevision()) as Revision,
    position: Number(recorded.getCommitPosition()) as Position,
    members: JSON.parse(text) as Record<string, unknown>, // the server takes nothing else there
    chars: text.length,
  };
};

/** Events of one stream, as the port gives them. Each append's last event is among them, or after them in `rest`. */
export const recordedEvents = (events: readonly StoredEvent[], rest: readonly StoredEvent[]): RecordedEvent[] => {
  const ends = new Map<number, number>();
  for (const { revision, ordinal, position } of [...events, ...rest]) ends.set(revision - ordinal, position);
  let envelopeText = '';
  let envelope: Envelope = { commandId: '', recordedAt: '', actor: null, traceparent: null };
  return events.map((event) => {
    if (event.envelope !== envelopeText) {
      envelopeText = event.envelope;
      envelope = JSON.parse(envelopeText) as Envelope; // what `batchRequest` wrote
    }
    const { id, type, v, stream, revision, ordinal, count } = event;
    return {
      id,
      type,
      v,
      stream,
      revision: revision as Revision, // the server's count
      // As `unpack` has it: counted back from the append's last event.
      position: (ends.get(revision - ordinal)! - (count - 1 - ordinal)) as Position,
      recordedAt: envelope.recordedAt,
      actor: envelope.actor,
      causation: envelope.commandId,
      traceparent: envelope.traceparent,
      data: JSON.parse(event.text) as unknown,
    };
  });
};

/**
 * Puts appends together again from their events. The server writes them whole and side by side, so what is not complete
 * is still to come; a reader that begins inside an append is given the rest of it.
 */
export class CommitGatherer {
  #open: StoredEvent[] = [];

  /** Whether an append has begun and not ended. */
  get midway(): boolean {
    return this.#open.length > 0;
  }

  /** The append that is whole with this event. One whose end is missing in the log is given when another begins. */
  *add(event: StoredEvent): Generator<Commit> {
    const last = this.#open.at(-1);
    if (last !== undefined && !continues(last, event)) yield this.#close();
    this.#open.push(event);
    if (event.ordinal === event.count - 1) yield this.#close();
  }

  #close(): Commit {
    const events = this.#open;
    this.#open = [];
    const first = events[0]!;
    let text = '';
    for (const { type, v, text: data } of events) {
      text += `${text === '' ? '' : ','}{"type":"${type}","v":${v},"data":${data}}`;
    }
    return {
      stream: first.stream,
      firstRevision: first.revision as Revision, // the server's count
      count: events.length,
      position: events.at(-1)!.position as Position, // made here and in `recordedEvents`
      packed: `{"envelope":${first.envelope},"events":[${text}]}`,
    };
  }
}

const continues = (last: StoredEvent, next: StoredEvent): boolean =>
  next.stream === last.stream &&
  next.revision === last.revision + 1 &&
  next.ordinal === last.ordinal + 1 &&
  next.envelope === last.envelope;
