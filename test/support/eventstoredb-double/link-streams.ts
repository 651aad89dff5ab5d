import { randomUUID } from 'node:crypto';
import streams from '@eventstore/db-client/generated/streams_pb.js';
import type { ReadResp } from '@eventstore/db-client/generated/streams_pb.js';
import type { EventLog } from './event-log.js';
import { readMessage } from './read-message.js';

type Recorded = NonNullable<ReturnType<NonNullable<ReturnType<ReadResp['getEvent']>>['getEvent']>>;
type Projection = (event: Recorded, stream: string) => string | null;

/** What there is to read of a stream. */
export type ReadStream = {
  readonly first: number;
  readonly last: number;
  readonly messageAt: (revision: number) => Uint8Array;
};

const NAME = /^\$(ce|et|bc)-(.+)$/;

/** What the server's projections group events by, each by what begins the name of its streams. */
const PROJECTIONS: Readonly<Record<string, Projection>> = {
  /** By category: what stands before the first hyphen of the stream's name. */
  ce: (_, stream) => (stream.includes('-') ? stream.slice(0, stream.indexOf('-')) : null),
  et: (event) => event.getMetadataMap().get('type') ?? null,
  bc: (event) => correlationOf(Buffer.from(event.getCustomMetadata_asU8()).toString()),
};

const correlationOf = (metadata: string): string | null => {
  try {
    // Of an object, anything may be asked.
    const { $correlationId } = Object(JSON.parse(metadata)) as { readonly $correlationId?: unknown };
    return typeof $correlationId === 'string' ? $correlationId : null;
  } catch {
    return null;
  }
};

/**
 * The stream of links that a projection of the server would keep, made when it is asked for by a walk over the log; `null` for other
 * names. `resolve`: with what they lead to.
 */
export const linkStream = (log: EventLog, name: string, resolve: boolean): ReadStream | null => {
  const [, kind, value] = NAME.exec(name) ?? [];
  const projection = PROJECTIONS[kind ?? ''];
  if (projection === undefined) return null;
  const links: Uint8Array[] = [];
  for (let index = 0; index < log.size; index++) {
    const stream = log.streamAt(index);
    if (stream.startsWith('$')) continue;
    const event = recordedIn(log.messageAt(index));
    if (projection(event, stream) !== value) continue;
    const place = { stream: name, revision: links.length, position: log.positionAt(index), createdMs: 0 };
    const link = readMessage(
      {
        ...{ id: randomUUID(), type: '$>', contentType: 'application/octet-stream', metadata: new Uint8Array(0) },
        data: Buffer.from(`${event.getStreamRevision()}@${stream}`),
      },
      place,
    );
    links.push(resolve ? resolved(event, recordedIn(link)) : link);
  }
  return { first: 0, last: links.length - 1, messageAt: (revision) => links[revision]! };
};

const recordedIn = (message: Uint8Array): Recorded =>
  streams.ReadResp.deserializeBinary(message).getEvent()!.getEvent()!;

const resolved = (event: Recorded, link: Recorded): Uint8Array => {
  const read = new streams.ReadResp.ReadEvent();
  read.setEvent(event);
  read.setLink(link);
  read.setCommitPosition(String(link.getCommitPosition()));
  const response = new streams.ReadResp();
  response.setEvent(read);
  return response.serializeBinary();
};
