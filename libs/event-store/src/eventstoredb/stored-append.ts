import type { Append, Commit, Position, Revision, StreamName } from '../event-store.js';
import { eventId, lastPosition, repack } from '../packed.js';
import { appendRequestBytes } from './append-request.js';
import { audienceMark } from './audience-mark.js';
import type { ServerEvent } from './read-response.js';

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
/** The type is for people; an append of many events names the first of them. */
const TYPE_CHARS_MAX = 120;

/** The request for an append. `after`: the server's revision that the stream is at. `correlation` comes back with the answer. */
export const appendRequest = (
  { stream, expected, events, envelope, audience }: Append,
  { packed, after, correlation }: { packed: string; after: number; correlation: string },
): Buffer => {
  const metadata = `{"stepwell":${FORMAT},"revision":${expected + 1},"count":${events.length}}`;
  return appendRequestBytes(correlation, {
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
): Buffer => appendRequestBytes(correlation, { stream, expected, id, type: '$metadata', data: text, metadata: '' });

/** The append in an event of the server; `null` for one that is not ours. */
export const storedCommit = ({ stream, revision, commit, metadata, data }: ServerEvent): StoredCommit | null => {
  const place = placeIn(metadata);
  if (place === null) return null;
  const packed = repack(data);
  if (packed === null) return null;
  return {
    // Names come from the log, where we have put them.
    stream: stream as StreamName,
    firstRevision: place.revision as Revision, // what `appendRequest` wrote
    count: place.count,
    position: lastPosition(commit, place.count),
    packed,
    serverRevision: revision,
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
export const placeOf = ({ commit, metadata }: ServerEvent): { readonly position: Position; readonly chars: 0 } => ({
  position: lastPosition(commit, placeIn(metadata)?.count ?? 1),
  chars: 0,
});

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
