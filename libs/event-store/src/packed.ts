import { hash } from 'node:crypto';
import { endOfValue } from '#domain';
import { memberTexts } from '#runtime';
import type {
  Append,
  Commit,
  Envelope,
  NewEvent,
  Position,
  RecordedEvent,
  Revision,
  StreamName,
} from './event-store.js';
import { APPEND_BYTES_MAX, APPEND_EVENTS_MAX, AppendRefused } from './event-store.js';

/** An event as it is stored: what was appended. */
export type StoredEvent = NewEvent;

/** Names of events live in this UUID namespace; fixed for ever. */
const EVENT_NAMESPACE = Buffer.from('6f5b1d0ce0a94c3f9d8e27c4b1a63f52', 'hex');

/** Ordinals of one append fit below this, so that a position is the append's number times this plus the ordinal. */
export const POSITIONS_AN_APPEND = APPEND_EVENTS_MAX;

/** Position of the last event of the append that the log holds as number `id`. */
export const lastPosition = (id: number, count: number): Position =>
  // Positions are made here and nowhere else.
  (id * POSITIONS_AN_APPEND + count - 1) as Position;

/** An append as one JSON text: the envelope once, the events' texts embedded as they are. Refuses what can never be appended. */
export const pack = (append: Append): string => {
  const { events } = append;
  refuseCount(events.length);
  const packed = packedText(JSON.stringify(append.envelope), events);
  refuseTooLarge(packed);
  return packed;
};

/** Refuses what can never be appended, where events are not packed. */
export const refuseUnfit = (events: readonly NewEvent[]): void => {
  refuseCount(events.length);
  refuseTooLarge(events.length === 1 ? events[0]!.data : events.map(({ data }) => data).join());
};

/** The text of an append, of the text of its envelope and its events. */
export const packedText = (envelope: string, events: readonly NewEvent[]): string => {
  let text = '';
  for (const event of events) {
    const separator = text === '' ? '' : ',';
    text += `${separator}{"type":"${event.type}","v":${event.v},"data":${event.data}}`;
  }
  return `{"envelope":${envelope},"events":[${text}]}`;
};

const refuseCount = (count: number): void => {
  if (count === 0) throw new AppendRefused('an append holds at least one event');
  if (count > APPEND_EVENTS_MAX) {
    throw new AppendRefused(`an append holds at most ${APPEND_EVENTS_MAX} events, not ${count}`);
  }
};

const BYTES_A_CHARACTER_MAX = 3;

const refuseTooLarge = (text: string): void => {
  // Counting UTF-8 bytes is left out where it cannot matter.
  if (text.length * BYTES_A_CHARACTER_MAX > APPEND_BYTES_MAX) {
    const bytes = Buffer.byteLength(text);
    if (bytes > APPEND_BYTES_MAX) {
      throw new AppendRefused(`an append holds at most ${APPEND_BYTES_MAX} bytes, not ${bytes}`);
    }
  }
  // A lone surrogate has no UTF-8 form: it would come back as another character.
  if (!text.isWellFormed()) throw new AppendRefused('an append is well-formed Unicode');
};

/** The events of an append as it stands in the log. Ids are SHA-1 and cost more than the rest, so each is computed when asked for. */
export const unpack = (commit: Commit): readonly RecordedEvent[] => {
  const { stream, firstRevision, ids } = commit;
  const { commandId, recordedAt, actor, traceparent } = envelopeOf(commit.packed);
  return storedEvents(commit).map(({ type, v, data }, ordinal) => {
    let id: string | null = null;
    return {
      get id() {
        return (id ??= ids?.[ordinal] ?? eventId(stream, firstRevision - 1, commandId, ordinal));
      },
      type,
      v,
      stream,
      revision: (firstRevision + ordinal) as Revision, // counted on from the commit's own
      position: positionAt(commit, ordinal),
      recordedAt,
      actor,
      causation: commandId,
      traceparent,
      data,
    };
  });
};

/** The place of one event of an append in the log. */
export const positionAt = ({ position, positions, count }: Commit, ordinal: number): Position =>
  positions?.[ordinal] ?? ((position - count + 1 + ordinal) as Position); // counted on from the first

/** What a fold asks of an event. */
export type FoldedEvent = Pick<RecordedEvent, 'type' | 'v' | 'position' | 'recordedAt' | 'traceparent' | 'data'>;

/** As `unpack`, for a fold: the ids that it does not ask for would cost as much as the rest. */
export const unpackForFold = (commit: Commit): readonly FoldedEvent[] => {
  const { recordedAt, traceparent } = envelopeOf(commit.packed);
  return storedEvents(commit).map(({ type, v, data }, ordinal) => ({
    type,
    v,
    position: positionAt(commit, ordinal),
    recordedAt,
    traceparent,
    data,
  }));
};

const EVENTS = ',"events":[{"type":"';
const NEXT_EVENT = '},{"type":"';
const VERSION = '","v":';
const DATA = ',"data":';
const END = '}]}';

/**
 * The events of an append, each with its data as the text that was appended: nothing of it is parsed, which most readers do not
 * ask for, and so no number of a payload is changed. Cuts where `pack` has put its separators. None of them can stand inside a
 * string, where quotes are escaped; a payload with the same text in an array of objects is noticed by the count, and the text is walked.
 */
export const storedEvents = ({ packed, count }: Commit): readonly StoredEvent[] => {
  const events: StoredEvent[] = [];
  let from = packed.indexOf(EVENTS) + EVENTS.length;
  for (let more = true; more && events.length <= count;) {
    const next = packed.indexOf(NEXT_EVENT, from);
    more = next !== -1;
    const until = more ? next : packed.length - END.length;
    const version = packed.indexOf(VERSION, from);
    const data = packed.indexOf(DATA, version);
    const v = Number(packed.slice(version + VERSION.length, data));
    events.push({ type: packed.slice(from, version), v, data: packed.slice(data + DATA.length, until) });
    from = next + NEXT_EVENT.length;
  }
  return events.length === count ? events : walkedEvents(packed);
};

const walkedEvents = (packed: string): readonly StoredEvent[] => {
  const events: StoredEvent[] = [];
  for (let at = packed.indexOf(EVENTS) + EVENTS.length - FIRST.length; packed[at] === '{'; at++) {
    const end = endOfValue(packed, at);
    const members = memberTexts(packed.slice(at, end));
    events.push({
      // What `pack` made has these three.
      type: members.get('type')!.slice(1, -1),
      v: Number(members.get('v')),
      data: members.get('data')!,
    });
    at = end;
  }
  return events;
};
const FIRST = '{"type":"';

/** The type of the first event of an append, without a look at the rest. */
export const firstTypeOf = ({ packed }: Commit): string => {
  const from = packed.indexOf(EVENTS) + EVENTS.length;
  return packed.slice(from, packed.indexOf('"', from));
};

/** When an append was recorded. */
export const recordedAtOf = ({ packed }: Commit): string => envelopeOf(packed).recordedAt;

/** The envelope of an append, with the members that this version does not know. */
export const envelopeOf = (packed: string): Envelope & Readonly<Record<string, unknown>> =>
  // What `pack` made.
  JSON.parse(packed.slice(ENVELOPE.length, packed.indexOf(EVENTS))) as Envelope & Readonly<Record<string, unknown>>;
const ENVELOPE = '{"envelope":';

/** UUIDv5 of stream, expected revision, command id and ordinal: a repeated append names its events alike. */
export const eventId = (stream: StreamName, expected: number, commandId: string, ordinal: number): string => {
  const hex = hash('sha1', subject(`${stream}\n${expected}\n${commandId}\n${ordinal}`), 'hex');
  const variant = ((Number.parseInt(hex[16]!, 16) & 0x3) | 0x8).toString(16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-5${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
};

/** The namespace, and room for names behind it: a buffer for each would cost more than its hash. */
const SUBJECT = Buffer.concat([EVENT_NAMESPACE, Buffer.alloc(1024)]);

const subject = (name: string): Buffer => {
  const room = SUBJECT.length - EVENT_NAMESPACE.length;
  if (name.length * BYTES_A_CHARACTER_MAX > room) return Buffer.concat([EVENT_NAMESPACE, Buffer.from(name)]);
  return SUBJECT.subarray(0, EVENT_NAMESPACE.length + SUBJECT.write(name, EVENT_NAMESPACE.length));
};
