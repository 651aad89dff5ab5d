import type {
  CallOptions,
  ChannelOptions,
  ClientDuplexStream,
  ClientReadableStream,
  Metadata,
  ServiceError,
} from '@grpc/grpc-js';
import { EventStoreDBClient } from '@eventstore/db-client';
import featuresGrpc from '@eventstore/db-client/generated/serverfeatures_grpc_pb.js';
import type { ServerFeaturesClient } from '@eventstore/db-client/generated/serverfeatures_grpc_pb.js';
import type { SupportedMethods } from '@eventstore/db-client/generated/serverfeatures_pb.js';
import shared from '@eventstore/db-client/generated/shared_pb.js';
import streamsGrpc from '@eventstore/db-client/generated/streams_grpc_pb.js';
import type { StreamsClient } from '@eventstore/db-client/generated/streams_grpc_pb.js';
import type { ReadReq } from '@eventstore/db-client/generated/streams_pb.js';
import type { Log } from '#runtime';
import { appendResponse, type AppendResponse } from './append-response.js';
import { connectionString, withoutPassword } from './connection-string.js';
import { readResponse, type ReadResponse } from './read-response.js';

export type ReadCall = ClientReadableStream<ReadResponse>;
export type BatchAppendCall = ClientDuplexStream<Buffer, AppendResponse>;

/** What the client keeps for its own calls: the connection with discovery, reconnection, TLS and credentials. */
type Inner = {
  readonly GRPCStreamCreator: <Client, Call>(
    client: new (...parts: never[]) => Client,
    name: string,
    create: (client: Client) => Call,
  ) => () => Promise<Call>;
  readonly execute: <Client, Answer>(
    client: new (...parts: never[]) => Client,
    name: string,
    act: (client: Client) => Promise<Answer>,
  ) => Promise<Answer>;
  readonly callArguments: (options: { requiresLeader: boolean }, call: CallOptions) => [Metadata, CallOptions];
  getChannel: () => Promise<Channel>;
};

type Channel = {
  readonly getTarget: () => string;
  readonly close: () => void;
  readonly internalChannel: { readonly getOptions: () => ChannelOptions };
};

/**
 * So many bytes may be under way to us unread, of one call and of all. HTTP/2's own 64 KiB hold some fifty appends: a server that
 * hands over what has gathered would stop and wait for our word, and its threads with it, several times a read.
 */
const RECEIVE_WINDOW_BYTES = 1024 * 1024;

const { read: READ, batchAppend: BATCH_APPEND } = streamsGrpc.StreamsService;
const asItIs = (bytes: Buffer): Buffer => bytes;

/** Everything is asked of the leader, so that what one call was told the next one knows. */
const LEADER = { requiresLeader: true };

/**
 * One connection of the client, and on it the calls of its own generated definitions rather than its methods: these parse
 * and write each payload anew, so that it would not come back byte for byte, and keep the appends under way of all
 * connections in one table, so that one that breaks fails those of the others.
 */
export class Connection {
  readonly #inner: Inner;
  readonly #client: EventStoreDBClient;

  constructor(url: string, generation: number, log: Log) {
    this.#client = quietly(log, () => EventStoreDBClient.connectionString(connectionString(url, generation)));
    // The members are declared, but protected: they are for subclasses, which `connectionString` does not make.
    const inner = this.#client as unknown as Inner;
    const { getChannel } = inner;
    inner.getChannel = async () => widened(await getChannel());
    this.#inner = inner;
  }

  read(req: ReadReq): Promise<ReadCall> {
    const create = (client: StreamsClient): ReadCall =>
      client.makeServerStreamRequest(
        READ.path,
        READ.requestSerialize,
        readResponse,
        req,
        ...this.#inner.callArguments(LEADER, { deadline: Infinity }),
      );
    return this.#inner.GRPCStreamCreator(streamsGrpc.StreamsClient, 'read', create)();
  }

  batchAppend(): Promise<BatchAppendCall> {
    const create = (client: StreamsClient): BatchAppendCall =>
      client.makeBidiStreamRequest(
        BATCH_APPEND.path,
        asItIs,
        appendResponse,
        ...this.#inner.callArguments(LEADER, { deadline: Infinity }),
      );
    return this.#inner.GRPCStreamCreator(streamsGrpc.StreamsClient, 'batchAppend', create)();
  }

  /** Version of the server, as it says. */
  version(deadlineMs: number): Promise<string> {
    const ask = (client: ServerFeaturesClient): Promise<string> =>
      new Promise((resolve, reject) => {
        const [metadata, options] = this.#inner.callArguments({ requiresLeader: false }, { deadline: deadlineMs });
        const answer = (error: ServiceError | null, supported?: SupportedMethods): void =>
          error === null ? resolve(supported!.getEventStoreServerVersion()) : reject(error);
        client.getSupportedMethods(new shared.Empty(), metadata, options, answer);
      });
    return this.#inner.execute(featuresGrpc.ServerFeaturesClient, 'getSupportedMethods', ask);
  }

  /** Host and port of the node that answers. */
  async target(): Promise<string> {
    return (await this.#inner.getChannel()).getTarget().replace(/^[a-z]+:\/*/, '');
  }

  /** Takes no calls any more; those under way go on to their end. */
  async retire(): Promise<void> {
    (await this.#inner.getChannel()).close();
  }

  /** Ends the calls under way too. */
  async close(): Promise<void> {
    await this.#client.dispose();
    await this.retire();
  }
}

/** The client takes no options for its channel. A channel looks at its own when it connects, which the first call makes it do. */
const widened = (channel: Channel): Channel => {
  channel.internalChannel.getOptions()['grpc-node.flow_control_window'] = RECEIVE_WINDOW_BYTES;
  return channel;
};

/** The client warns on the console, of our short keep-alive always, and shows the whole connection string with its password. */
const quietly = <T>(log: Log, make: () => T): T => {
  const { warn } = console;
  console.warn = (text: unknown) => {
    const [line = ''] = String(text).split('\n');
    if (!line.startsWith('Specified KeepAliveInterval'))
      log.warn('a doubtful connection string of EventStoreDB', { line });
  };
  try {
    return make();
  } catch (error) {
    const { message } = error as Error; // the client throws nothing else
    // What it found there may be the password.
    const [, place] = /(at position \d+, expected .+)/.exec(message) ?? [];
    throw new Error(`the connection string of EventStoreDB is not understood: ${place ?? withoutPassword(message)}`);
  } finally {
    console.warn = warn;
  }
};
