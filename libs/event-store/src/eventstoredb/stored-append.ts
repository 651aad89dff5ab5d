import streams from '@eventstore/db-client/generated/streams_pb.js';
import type { BatchAppendReq, ReadResp } from '@eventstore/db-client/generated/streams_pb.js';
import shared from '@eventstore/db-client/generated/shared_pb.js';
import type { Append, Commit, Position, Revision, StreamName } from '../event-store.js';
import { eventId, lastPosition, repack } from '../packed.js';
import { audienceMark } from './audience-mark.js';

/*
 * One append is one event of the server, since what the server delivers costs by the event. Its data is the packed text,
 * its type names the types of the events in it and whom they concern, and its metadata says which of the stream's events they are.
 */

/** An append as the server hands it out. */
export type StoredCommit = Commit & {
  /** Of the server's event. The server counts appends where `firstRevision` counts events. */
  readonly serverRevision: number;
};

/** Version of what stands here, for ever. */
const FORMAT = 1;
const CONTENT_TYPE = 'application/json';
/** The type is for people; an append of many events names the first of them. */
const TYPE_CHARS_MAX = 120;

/** The request for an append. `after`: the server's revision that the stream is at. `correlation` comes back with the answer. */
export const appendRequest = (
  { stream, expected, events, envelope, audience }: Append,
  { packed, after, correlation }: { packed: string; after: number; correlation: string },
): BatchAppendReq => {
  const metadata = `{"stepwell":${FORMAT},"revision":${expected + 1},"count":${events.length}}`;
  return batchRequest(correlation, {
    stream,
    expected: after,
    id: eventId(stream, expected, envelope.commandId, 0),
    type: typeOf(events.map(({ type }) => type)) + audienceMark(stream, audience),
    data: packed,
    metadata,
  });
};

const typeOf = (types: readonly string[]): string => {
  const all = types.join('+');
  return all.length <= TYPE_CHARS_MAX ? all : `${all.slice(0, all.lastIndexOf('+', TYPE_CHARS_MAX - 1))}+…`;
};

/** The request that writes what the server is to know of a stream. */
export const metadataRequest = (
  correlation: string,
  { stream, expected, id, text }: { stream: StreamName; expected: number; id: string; text: string },
): BatchAppendReq => batchRequest(correlation, { stream, expected, id, type: '$metadata', data: text, metadata: '' });

type Proposal = {
  readonly stream: string;
  readonly expected: number;
  readonly id: string;
  readonly type: string;
  readonly data: string;
  readonly metadata: string;
};

/** Without a deadline: it would be an instant of this machine's clock, judged by the server's. */
const batchRequest = (correlation: string, { stream, expected, id, type, data, metadata }: Proposal) => {
  const options = new streams.BatchAppendReq.Options();
  options.setStreamIdentifier(streamIdentifier(stream));
  if (expected < 0) options.setNoStream(new shared.Empty());
  else options.setStreamPosition(String(expected));
  const message = new streams.BatchAppendReq.ProposedMessage();
  message.setId(uuid(id));
  message.getMetadataMap().set('type', type).set('content-type', CONTENT_TYPE);
  message.setData(Buffer.from(data));
  message.setCustomMetadata(Buffer.from(metadata));
  const req = new streams.BatchAppendReq();
  req.setCorrelationId(uuid(correlation));
  req.setOptions(options);
  req.addProposedMessages(message);
  req.setIsFinal(true);
  return req;
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

/** The append in an answer; `null` for an event that is not ours. */
export const storedCommit = (resp: ReadResp): StoredCommit | null => {
  const recorded = resp.getEvent()?.getEvent();
  if (recorded === undefined) return null;
  const place = placeIn(textOf(recorded.getCustomMetadata_asU8()));
  if (place === null) return null;
  const packed = repack(textOf(recorded.getData_asU8()));
  if (packed === null) return null;
  return {
    // Names come from the log, where we have put them.
    stream: textOf(recorded.getStreamIdentifier()!.getStreamName_asU8()) as StreamName,
    firstRevision: place.revision as Revision, // what `appendRequest` wrote
    count: place.count,
    position: lastPosition(Number(recorded.getCommitPosition()), place.count),
    packed,
    serverRevision: Number(recorded.getStreamRevision()),
  };
};

const METADATA = new RegExp(`^\\{"stepwell":${FORMAT},"revision":(\\d+),"count":(\\d+)\\}$`);

type Place = { readonly revision: number; readonly count: number };

const placeIn = (metadata: string): Place | null => {
  const found = METADATA.exec(metadata);
  return found === null ? reformattedPlace(metadata) : { revision: Number(found[1]), count: Number(found[2]) };
};

/** Metadata that something between us and the server has written anew, or that is not ours. */
const reformattedPlace = (metadata: string): Place | null => {
  if (!metadata.includes('"stepwell"')) return null;
  let parsed: unknown;
  try {
    parsed = JSON.parse(metadata);
  } catch {
    return null;
  }
  const { stepwell, revision, count } = Object(parsed) as Record<string, unknown>; // of an object, anything may be asked
  return stepwell === FORMAT && typeof revision === 'number' && typeof count === 'number' ? { revision, count } : null;
};

/** Where an event stands in the log, whoever has written it. */
export const placeOf = (resp: ReadResp): { readonly position: Position; readonly chars: 0 } | null => {
  const recorded = resp.getEvent()?.getEvent();
  if (recorded === undefined) return null;
  const count = placeIn(textOf(recorded.getCustomMetadata_asU8()))?.count ?? 1;
  return { position: lastPosition(Number(recorded.getCommitPosition()), count), chars: 0 };
};

/** What the server keeps about a stream: how much of it is to be seen, and what others have put there. */
export type StreamMetadata = {
  /** Of the stream that it is kept in. */
  readonly revision: number;
  readonly members: Readonly<Record<string, unknown>>;
  readonly chars: number;
};

/** The stream metadata in an answer. */
export const metadataOf = (resp: ReadResp): StreamMetadata | null => {
  const recorded = resp.getEvent()?.getEvent();
  if (recorded === undefined) return null;
  const text = textOf(recorded.getData_asU8());
  return {
    revision: Number(recorded.getStreamRevision()),
    members: JSON.parse(text) as Record<string, unknown>, // the server takes nothing else there
    chars: text.length,
  };
};
