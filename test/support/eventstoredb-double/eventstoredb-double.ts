import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer, type AddressInfo, type Server as SocketServer, type Socket } from 'node:net';
import {
  Server,
  ServerCredentials,
  type UntypedServiceImplementation,
  type sendUnaryData,
  type ServerUnaryCall,
} from '@grpc/grpc-js';
import features from '@eventstore/db-client/generated/serverfeatures_pb.js';
import featuresGrpc from '@eventstore/db-client/generated/serverfeatures_grpc_pb.js';
import streamsGrpc from '@eventstore/db-client/generated/streams_grpc_pb.js';
import { Appending, batchAppend } from './append-calls.js';
import { control } from './control.js';
import { EventLog } from './event-log.js';
import { Faults } from './faults.js';
import { Reading } from './read-calls.js';

export type DoubleOptions = {
  readonly folder: string;
  readonly port?: number;
  /** Flush each group of appends to the disk before it is answered. */
  readonly sync?: boolean;
  /** How long after a start everything is answered "Server Is Not Ready"; about 500 ms on a real server. */
  readonly notReadyMs?: number;
  /** After how long an append that races its own original is answered; about 2,000 ms on a real server. */
  readonly racingTimeoutMs?: number;
  /** As `MAJOR.MINOR.PATCH`. */
  readonly version?: string;
  /** What `/info/options` says beside the port, by name. */
  readonly serverOptions?: Readonly<Record<string, string>>;
};

const READY_AFTER_MS = 500;
const RACING_TIMEOUT_MS = 2000;
const VERSION = '23.10.6';
const LIVE_EVENTS_MAX = 32;
const HTTP2_PREFACE = 'PRI ';

/**
 * Stands in for an EventStoreDB server, for its real client: the same gRPC services on one port with the HTTP interface,
 * the same rules, over a log on disk. A single node without TLS, users, persistent subscriptions and scavenging; of links it has
 * those of the projections by category, type and correlation, for reads.
 */
export class EventStoreDbDouble {
  readonly faults = new Faults();
  #log: EventLog | null = null;
  #grpc: Server | null = null;
  #front: SocketServer | null = null;
  readonly #sockets = new Set<Socket>();
  #port: number;

  constructor(readonly options: DoubleOptions) {
    this.#port = options.port ?? 0;
  }

  /** For the client. */
  get url(): string {
    return `esdb://127.0.0.1:${this.#port}?tls=false`;
  }

  get port(): number {
    return this.#port;
  }

  /** The log itself, for what no client of ours does. */
  get log(): EventLog {
    if (this.#log === null) throw new Error('the double is not started');
    return this.#log;
  }

  async start(): Promise<void> {
    const { folder, sync = true, notReadyMs = READY_AFTER_MS } = this.options;
    this.#log = new EventLog(folder, { sync, beforeFlush: () => this.faults.flushes() });
    this.faults.becomeReady(notReadyMs);
    const grpc = this.#services();
    this.#grpc = grpc;
    const injector = grpc.createConnectionInjector(ServerCredentials.createInsecure());
    const http = createHttpServer((request, response) => this.#answerHttp(request, response));
    const front = createServer((socket) =>
      this.#receive(
        socket,
        (grpcSocket) => injector.injectConnection(grpcSocket),
        (httpSocket) => http.emit('connection', httpSocket),
      ),
    );
    this.#front = front;
    await new Promise<void>((resolve, reject) => {
      front.once('error', reject);
      front.listen(this.#port, '127.0.0.1', resolve);
    });
    // A server that listens on a port has an address of this type.
    this.#port = (front.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    const front = this.#front;
    if (front === null) return;
    this.#front = null;
    const closed = new Promise((resolve) => front.close(resolve));
    this.cut();
    await closed;
    this.#grpc?.forceShutdown();
    this.faults.clear();
    await this.#log?.close();
  }

  /** Everything is as after a start, but for the log. */
  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  /** Breaks every connection. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** gRPC begins with the preface of HTTP/2, all else is HTTP/1. */
  #receive(socket: Socket, grpc: (socket: Socket) => void, http: (socket: Socket) => void): void {
    this.#sockets.add(socket);
    socket.setNoDelay(true);
    // A peer that resets is gone, and nothing else.
    socket.on('error', () => {});
    socket.on('close', () => this.#sockets.delete(socket));
    socket.once('readable', () => {
      const first: unknown = socket.read();
      if (!Buffer.isBuffer(first)) return;
      socket.unshift(first);
      if (first.toString('latin1', 0, HTTP2_PREFACE.length) === HTTP2_PREFACE) grpc(socket);
      else http(socket);
    });
  }

  #services(): Server {
    const { racingTimeoutMs = RACING_TIMEOUT_MS, version = VERSION } = this.options;
    const [major = 0, minor = 0] = version.split('.').map(Number);
    const saysCaughtUp = major > 23 || (major === 23 && minor >= 10);
    const liveEventsMax = major >= 24 ? null : LIVE_EVENTS_MAX;
    const reading = new Reading(() => this.log, this.faults, { saysCaughtUp, liveEventsMax });
    const appending = new Appending(() => this.log, this.faults, { racingTimeoutMs });
    const server = new Server({ 'grpc.max_receive_message_length': 17 * 1024 * 1024 });
    const { read, batchAppend: batch } = streamsGrpc.StreamsService;
    const service = {
      // Events are kept as the messages that hand them out, and need not be made again.
      read: {
        ...read,
        responseSerialize: (message: Uint8Array | { serializeBinary: () => Uint8Array }) =>
          Buffer.isBuffer(message)
            ? message
            : Buffer.from(message instanceof Uint8Array ? message : message.serializeBinary()),
      },
      batchAppend: batch,
    };
    const calls: UntypedServiceImplementation = {
      read: (call: Parameters<Reading['read']>[0]) => void reading.read(call),
      batchAppend: batchAppend(appending),
    };
    server.addService(service, calls);
    server.addService(featuresGrpc.ServerFeaturesService, {
      getSupportedMethods: (_: ServerUnaryCall<unknown, unknown>, reply: sendUnaryData<unknown>) =>
        void this.faults.thawed().then(() => reply(null, supportedMethods(version))),
    });
    return server;
  }

  #answerHttp(request: IncomingMessage, response: ServerResponse): void {
    const { version = VERSION, serverOptions = {} } = this.options;
    const url = new URL(request.url ?? '/', 'http://double');
    if (request.method === 'POST') {
      void control(this, url).then((done) => response.writeHead(done ? 204 : 404).end());
      return;
    }
    const answers: Readonly<Record<string, unknown>> = {
      '/info': { esVersion: version, dbVersion: version, state: 'leader', features: {} },
      '/info/options': Object.entries({ MemDb: 'False', UnsafeDisableFlushToDisk: 'False', ...serverOptions }).map(
        ([name, value]) => ({ name, value }),
      ),
    };
    const answer = answers[url.pathname];
    response.writeHead(answer === undefined ? 404 : 200, { 'content-type': 'application/json' });
    response.end(JSON.stringify(answer ?? {}));
  }
}

const supportedMethods = (version: string) => {
  const supported = new features.SupportedMethods();
  supported.setEventStoreServerVersion(version);
  for (const [service, name, list] of [
    ['event_store.client.streams.streams', 'read', ['position', 'events']],
    ['event_store.client.streams.streams', 'batchappend', ['deadline_duration']],
    ['event_store.client.server_features.serverfeatures', 'getsupportedmethods', []],
  ] as const) {
    const method = new features.SupportedMethod();
    method.setServiceName(service);
    method.setMethodName(name);
    method.setFeaturesList([...list]);
    supported.addMethods(method);
  }
  return supported;
};
