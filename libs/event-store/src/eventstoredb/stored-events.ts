import { instantOf, parseAsWritten } from '#runtime';
import type { Append, Commit, Position, RecordedEvent, Revision, StreamName } from '../event-store.js';
import { eventId, packedText } from '../packed.js';
import { FOREIGN, foreignData } from '../foreign-event.js';
import { appendRequestBytes } from './append-request.js';
import { eventMetadata, metadataText, sharedMetadata, sharedText, type SharedMetadata } from './event-metadata.js';
import type { ServerEvent } from './read-response.js';

/*
 * Each event of ours is an event of the server: its type is the name of ours, its data are ours to the letter, and its
 * revision is ours. An append is one call.
 */

/** The request for an append. `correlation` comes back with the answer. */
export const appendRequest = (append: Append, correlation: string): Buffer => {
  const { stream, expected, events, envelope } = append;
  const shared = sharedText(append);
  const of = events.length;
  return appendRequestBytes(correlation, {
    stream,
    expected,
    events: events.map(({ type, v, data }, index) => ({
      id: eventId(stream, expected, envelope.commandId, index),
      type,
      data,
      metadata: metadataText(shared, { v, index, of }),
    })),
  });
};

/** The request that writes what the server is to know of a stream. */
export const metadataRequest = (
  correlation: string,
  { stream, expected, id, text }: { stream: StreamName; expected: number; id: string; text: string },
): Buffer =>
  appendRequestBytes(correlation, { stream, expected, events: [{ id, type: '$metadata', data: text, metadata: '' }] });

/** One event of the server, as an event of ours. */
export type StoredEvent = {
  readonly stream: StreamName;
  readonly revision: Revision;
  readonly position: Position;
  readonly id: string;
  readonly type: string;
  readonly v: number;
  readonly data: string;
  /** What it shares with the other events of its append, and its place among them. */
  readonly shared: string;
  readonly index: number;
  readonly of: number;
  /** Somebody else has written it. */
  readonly isForeign: boolean;
};

/** An event of the server; of one that is not ours, what there is to say of it. Made of every event that is read. */
export const storedEvent = (event: ServerEvent): StoredEvent => {
  const metadata = OUR_TYPE.test(event.eventType) ? eventMetadata(event.metadata) : null;
  const data = metadata === null ? null : compact(event.data);
  const isForeign = metadata === null || data === null;
  return {
    // What the log has: names of streams are put there by us, its counts are ours.
    stream: event.stream as StreamName,
    revision: event.revision as Revision,
    position: event.commit as Position,
    id: event.id,
    type: isForeign ? FOREIGN : event.eventType,
    v: isForeign ? 1 : metadata.v,
    data: isForeign ? foreignData(event) : data,
    shared: isForeign ? foreignMetadata(event) : metadata.shared,
    index: isForeign ? 0 : metadata.index,
    of: isForeign ? 1 : metadata.of,
    isForeign,
  };
};

const foreignMetadata = ({ id, createdMs }: ServerEvent): string =>
  `{"$causationId":"${id}","recordedAt":"${instantOf(createdMs)}"`;

const OUR_TYPE = /^\w+$/;

/** Readers of data go by the form that we write; others may have written the JSON anew. `null`: it is none. */
const compact = (data: string): string | null => {
  const value = data.indexOf('":') + 2;
  const isCompact = data.charCodeAt(1) === QUOTE && data.charCodeAt(value) > SPACE && !data.includes('\n');
  if (isCompact || data === '{}') return data;
  try {
    return JSON.stringify(parseAsWritten(data));
  } catch {
    return null;
  }
};
const QUOTE = 0x22;
const SPACE = 0x20;

/** The same, as it is given to who reads a stream. */
export const recordedEvent = (stored: StoredEvent): RecordedEvent => {
  const { id, type, v, stream, revision, position, data } = stored;
  const { commandId, recordedAt, actor, traceparent } = sharedBy(stored).envelope;
  return { id, type, v, stream, revision, position, recordedAt, actor, causation: commandId, traceparent, data };
};

const sharedBy = ({ shared }: StoredEvent): SharedMetadata => sharedMetadata(shared)!; // what `storedEvent` found well

/** Events of one append, in order, as one. `isWhole`: none of them is missing. */
export const commitOf = (events: readonly StoredEvent[]): Commit => {
  const [first] = events as [StoredEvent];
  const { envelopeText, audience } = sharedBy(first);
  const isWhole = events.length === first.of;
  return {
    stream: first.stream,
    firstRevision: first.revision,
    count: events.length,
    position: events.at(-1)!.position,
    packed: packedText(envelopeText, events),
    ...(events.length > 1 && { positions: events.map(({ position }) => position) }),
    ...((!isWhole || first.isForeign) && { ids: events.map(({ id }) => id) }),
    ...(audience !== undefined && { audience }),
  };
};

/** What the server keeps about a stream: how much of it is to be seen, and what others have put there. */
export type StreamMetadata = {
  /** Of the stream that it is kept in. */
  readonly revision: number;
  readonly members: Readonly<Record<string, unknown>>;
  readonly chars: number;
};

/** What an event of a stream's metadata says. */
export const metadataOf = ({ revision, data }: ServerEvent): StreamMetadata => {
  const members = JSON.parse(data) as Record<string, unknown>; // the server takes nothing else there
  return { revision, members, chars: data.length };
};
