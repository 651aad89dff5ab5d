import type { Append, Audience, Envelope } from '../event-store.js';
import { runIdOf } from '../stream-names.js';

/*
 * What stands beside each event in EventStoreDB: `$correlationId` is the run, `$causationId` the command that caused the append,
 * by the names that the server's own projections and tools know. `index` and `of` say which event of how many of its append
 * it is. What all events of an append share comes first, so that it is looked at once.
 */

/** What the metadata of an event says. */
export type EventMetadata = {
  /** What all events of its append share, as it stands there. */
  readonly shared: string;
  readonly v: number;
  readonly index: number;
  readonly of: number;
};

/** What the events of an append share. */
export type SharedMetadata = {
  readonly envelope: Envelope;
  readonly envelopeText: string;
  readonly audience: Audience | undefined;
};

/** What the metadata of each event of an append begins with. */
export const sharedText = ({ stream, envelope, audience }: Append): string => {
  const runId = runIdOf(stream);
  const { commandId, ...rest } = envelope;
  const members = JSON.stringify({
    ...(runId !== null && { $correlationId: runId }),
    $causationId: commandId,
    ...rest,
    ...(audience !== undefined && { audience }),
  });
  return members.slice(0, -1);
};

/** The metadata of one event of an append, of what they share. */
export const metadataText = (shared: string, { v, index, of }: Omit<EventMetadata, 'shared'>): string =>
  `${shared},"v":${v},"index":${index},"of":${of}}`;

/** What stands in the metadata of an event that is for one audience. Where it is written another way, the event comes in vain. */
export const markOf = (audience: Audience): string => `,"audience":"${audience}","v":`;

/** Whether an event of ours is the last one of its append, of its metadata as we write it. */
export const isLastOfAppend = (text: string): boolean => {
  const own = OWN.exec(text.slice(-OWN_CHARS_MAX));
  return own !== null && Number(own[2]) === Number(own[3]) - 1;
};

const OWN = /,"v":(\d+),"index":(\d+),"of":(\d+)\}$/;
/** The last of what is shared, and the longest text that `OWN` finds. */
const OWN_CHARS_MAX = 60;

/** What the metadata of an event says; `null` when it is not one of ours. */
export const eventMetadata = (text: string): EventMetadata | null => {
  if (!text.startsWith('{"$')) return rewritten(text);
  const from = Math.max(0, text.length - OWN_CHARS_MAX);
  const own = OWN.exec(text.slice(from));
  if (own === null) return rewritten(text);
  const shared = text.slice(0, from + own.index);
  return checked({ shared, v: Number(own[1]), index: Number(own[2]), of: Number(own[3]) });
};

/** Metadata that something between us and the server has written anew, or that is not ours. */
const rewritten = (text: string): EventMetadata | null => {
  if (!text.includes('"$causationId"')) return null;
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return null;
  }
  const { v, index, of, ...shared } = Object(parsed) as Record<string, unknown>; // of an object, anything may be asked
  if (typeof v !== 'number' || typeof index !== 'number' || typeof of !== 'number') return null;
  return checked({ shared: JSON.stringify(shared).slice(0, -1), v, index, of });
};

const checked = (metadata: EventMetadata): EventMetadata | null => {
  const { index, of } = metadata;
  return Number.isSafeInteger(of) && index >= 0 && index < of && sharedMetadata(metadata.shared) !== null
    ? metadata
    : null;
};

/** The last that was read: the events of an append follow each other, and share it. */
let last: { readonly text: string; readonly metadata: SharedMetadata | null } = { text: '', metadata: null };

/** What the events of an append share, of the text that their metadata begins with; `null` when it is not ours. */
export const sharedMetadata = (text: string): SharedMetadata | null => {
  if (last.text !== text) last = { text, metadata: read(text) };
  return last.metadata;
};

const read = (text: string): SharedMetadata | null => {
  let parsed: unknown;
  try {
    parsed = JSON.parse(`${text}}`);
  } catch {
    return null;
  }
  const { $correlationId: _, $causationId: commandId, audience, ...rest } = Object(parsed) as Record<string, unknown>; // as above
  if (typeof commandId !== 'string' || typeof rest['recordedAt'] !== 'string') return null;
  const { actor = null, traceparent = null } = rest;
  const envelope = { commandId, ...rest, actor, traceparent } as Envelope; // whatever else is there is kept
  const known = audience === 'owner' || audience === 'waiting' ? audience : undefined;
  return { envelope, envelopeText: JSON.stringify(envelope), audience: known };
};
