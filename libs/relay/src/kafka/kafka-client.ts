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
// The package is CommonJS, of these types.
const loadDriver = () => createRequire(import.meta.url)('kafkajs') as typeof import('kafkajs');

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
