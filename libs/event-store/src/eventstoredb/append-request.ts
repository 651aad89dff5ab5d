import protobuf from 'protobufjs/minimal.js';
import { bytesTag, numberTag } from './wire.js';

/** An event to append, as the server is given it. */
export type ServerNewEvent = {
  readonly id: string;
  readonly type: string;
  readonly data: string;
  readonly metadata: string;
};

/** An append, as the server is asked for it. */
export type ServerAppend = {
  readonly stream: string;
  /** The revision that the stream is at; below 0 when there is no stream. */
  readonly expected: number;
  readonly events: readonly ServerNewEvent[];
};

const CONTENT_TYPE = 'application/json';

/** The bytes of a `BatchAppendReq`. Without a deadline: it would be an instant of this machine's clock, judged by the server's. */
export const appendRequestBytes = (correlation: string, { stream, expected, events }: ServerAppend): Buffer => {
  const writer = new protobuf.BufferWriter();
  writer.uint32(bytesTag(1)).fork().uint32(bytesTag(2)).string(correlation).ldelim();
  // Options: the stream, by its name, and where it is expected to be.
  writer.uint32(bytesTag(2)).fork();
  writer.uint32(bytesTag(1)).fork().uint32(bytesTag(3)).string(stream).ldelim();
  if (expected < 0) writer.uint32(bytesTag(3)).fork().ldelim();
  else writer.uint32(numberTag(2)).uint64(expected);
  writer.ldelim();
  for (const event of events) propose(writer, event);
  // These are all.
  writer.uint32(numberTag(4)).bool(true);
  // The library has a type of its own for what is a buffer of Node.
  return writer.finish() as Buffer;
};

const propose = (writer: protobuf.Writer, { id, type, data, metadata }: ServerNewEvent): void => {
  writer.uint32(bytesTag(3)).fork();
  writer.uint32(bytesTag(1)).fork().uint32(bytesTag(2)).string(id).ldelim();
  property(writer, 'content-type', CONTENT_TYPE);
  property(writer, 'type', type);
  writer.uint32(bytesTag(3)).string(metadata).uint32(bytesTag(4)).string(data);
  writer.ldelim();
};

const property = (writer: protobuf.Writer, name: string, value: string): void => {
  writer.uint32(bytesTag(2)).fork().uint32(bytesTag(1)).string(name).uint32(bytesTag(2)).string(value).ldelim();
};
