import { createRequire } from 'node:module';
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { ISocketFactoryArgs, Kafka, RetryOptions, SASLOptions } from 'kafkajs';

/** How to reach the brokers. */
export type KafkaConnection = {
  /** `host:port`, at least one. */
  readonly brokers: readonly string[];
  readonly tls: boolean;
  readonly sasl: KafkaSasl | null;
};

export type KafkaSasl = {
  readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512';
  readonly username: string;
  readonly password: string;
};

export type KafkaTimeouts = { readonly connectMs: number; readonly requestMs: number };

export const KAFKA_TIMEOUTS: KafkaTimeouts = { connectMs: 3_000, requestMs: 10_000 };
const KEEP_ALIVE_MS = 30_000;

/** The driver's client, and an end to all its connections, now and later: by itself it waits for answers that may never come. */
export type KafkaClient = { readonly kafka: Kafka; readonly destroy: () => void };

let clients = 0;

/** Loaded with the first client: a process without Kafka does not pay for it. */
const loadDriver = () => {
  const require = createRequire(import.meta.url);
  driverQueue ??= patched(require('kafkajs/src/network/requestQueue'));
  // The package is CommonJS, of these types.
  return require('kafkajs') as typeof import('kafkajs');
};

type DriverQueue = { prototype: { pending: readonly unknown[]; scheduleCheckPendingRequests: () => void } };
let driverQueue: DriverQueue | null = null;

/**
 * The driver (2.2.4, tulios/kafkajs 1704 and 1751) asks again and again whether requests wait to be sent, also when none do, and
 * then by a negative delay, of which Node warns: 870 timers a second and 2.5 % of a core for each idle connection. Nothing
 * waits unseen: whoever puts a request there asks for it, and so does each answer.
 */
const patched = (queue: DriverQueue): DriverQueue => {
  const { prototype } = queue;
  const schedule = prototype.scheduleCheckPendingRequests;
  prototype.scheduleCheckPendingRequests = function () {
    if (this.pending.length > 0) schedule.call(this);
  };
  return queue;
};

/**
 * The driver's own lines are left out: each failure reaches us as an error, and is said once. Every client begins at another
 * broker of the list: one that tries the first alone must not be stuck with it.
 */
export const kafkaClient = (
  { brokers, tls, sasl }: KafkaConnection,
  timeouts: KafkaTimeouts,
  retry: RetryOptions,
): KafkaClient => {
  const first = clients++ % brokers.length;
  const sockets = new Set<Socket>();
  let destroyed = false;
  const driver = loadDriver();
  const kafka = new driver.Kafka({
    clientId: 'stepwell',
    brokers: [...brokers.slice(first), ...brokers.slice(0, first)],
    ssl: tls,
    ...(sasl === null ? undefined : { sasl: saslOptions(sasl) }),
    connectionTimeout: timeouts.connectMs,
    authenticationTimeout: timeouts.requestMs,
    requestTimeout: timeouts.requestMs,
    retry,
    logLevel: driver.logLevel.NOTHING,
    socketFactory: (wanted) => {
      const socket = connected(wanted, tls);
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket));
      if (destroyed) socket.destroy(givenUp());
      return socket;
    },
  });
  const destroy = (): void => {
    destroyed = true;
    for (const socket of [...sockets]) socket.destroy(givenUp());
  };
  return { kafka, destroy };
};

// The driver listens for errors and ends, not for a close: without an error its requests would wait for their timeout.
const givenUp = (): Error => new Error('the connection to Kafka is given up');

const connected = ({ host, port, onConnect }: ISocketFactoryArgs, tls: boolean): Socket => {
  const name = isIP(host) === 0 ? { servername: host } : undefined;
  const socket = tls ? connectTls({ host, port, ...name }, onConnect) : connectTcp({ host, port }, onConnect);
  return socket.setKeepAlive(true, KEEP_ALIVE_MS).setNoDelay(true);
};

// A union by mechanism, all of whose members are alike but for it.
const saslOptions = (sasl: KafkaSasl): SASLOptions => ({ ...sasl }) as SASLOptions;
