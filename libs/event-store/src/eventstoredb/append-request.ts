import protobuf from 'protobufjs/minimal.js';
import { bytesTag, numberTag } from './wire.js';

/** An append of one event, as the server is asked for it. */
export type ServerAppend = {
  readonly stream: string;
  /** The server's revision that the stream is at; below 0 when there is no stream. */
  readonly expected: number;
  readonly id: string;
  readonly type: string;
  readonly data: string;
  readonly metadata: string;
};

const CONTENT_TYPE = 'application/json';

/** The bytes of a `BatchAppendReq`. Without a deadline: it would be an instant of this machine's clock, judged by the server's. */
export const appendRequestBytes = (correlation: string, append: ServerAppend): Buffer => {
  const writer = new protobuf.BufferWriter();
  writer.uint32(bytesTag(1)).fork().uint32(bytesTag(2)).string(correlation).ldelim();
  // Options: the stream, by its name, and where it is expected to be.
  writer.uint32(bytesTag(2)).fork();
  writer.uint32(bytesTag(1)).fork().uint32(bytesTag(3)).string(append.stream).ldelim();
  if (append.expected < 0) writer.uint32(bytesTag(3)).fork().ldelim();
  else writer.uint32(numberTag(2)).uint64(append.expected);
  writer.ldelim();
  // The proposed event, and that it is the last one of the append.
  writer.uint32(bytesTag(3)).fork();
  writer.uint32(bytesTag(1)).fork().uint32(bytesTag(2)).string(append.id).ldelim();
  for (const [name, value] of [
    ['content-type', CONTENT_TYPE],
    ['type', append.type],
  ] as const)
    writer.uint32(bytesTag(2)).fork().uint32(bytesTag(1)).string(name).uint32(bytesTag(2)).string(value).ldelim();
  writer.uint32(bytesTag(3)).string(append.metadata).uint32(bytesTag(4)).string(append.data);
  writer.ldelim();
  writer.uint32(numberTag(4)).bool(true);
  // The library has a type of its own for what is a buffer of Node.
  return writer.finish() as Buffer;
};
