import type { IHeaders, Producer } from 'kafkajs';
import { Publisher, type Published, type TopicMessage } from '../publisher.js';
import { KAFKA_TIMEOUTS, kafkaClient, type KafkaConnection, type KafkaTimeouts } from './kafka-client.js';

/**
 * Over a producer that is not idempotent, with one request in flight and every replica asked. Order needs no more: the next
 * batch is sent when the last one is acknowledged, so nothing is in the topic before what precedes it, and a repeat only
 * adds what was there already. The driver calls its idempotent producer experimental, and repeats are promised anyway.
 */
export class KafkaPublisher extends Publisher {
  readonly #connection: KafkaConnection;
  readonly #timeouts: KafkaTimeouts;
  #open: Open | null = null;

  constructor(connection: KafkaConnection, timeouts: KafkaTimeouts = KAFKA_TIMEOUTS) {
    super();
    this.#connection = connection;
    this.#timeouts = timeouts;
  }

  async publish(topic: string, messages: readonly TopicMessage[]): Promise<Published> {
    const open = (this.#open ??= this.#create());
    try {
      await (open.connected ??= open.producer.connect());
      await open.producer.send({ topic, acks: -1, timeout: this.#timeouts.requestMs, messages: messages.map(toKafka) });
      return { status: 'published' };
    } catch (cause) {
      if (isTooLarge(cause)) return { status: 'too-large', cause };
      // What has failed is not used again: a request that is stuck in it dies with it, mostly before it is applied.
      if (this.#open === open) await this.#close();
      return { status: 'unavailable', cause };
    }
  }

  async stop(): Promise<void> {
    await this.#close();
  }

  #create(): Open {
    // The caller repeats, and nobody else: the driver's own retries would hide how long it has been.
    const { kafka, destroy } = kafkaClient(this.#connection, this.#timeouts, { retries: 0 });
    return { producer: kafka.producer({ maxInFlightRequests: 1, idempotent: false }), destroy, connected: null };
  }

  async #close(): Promise<void> {
    const open = this.#open;
    this.#open = null;
    if (open === null) return;
    open.destroy();
    // Nothing hangs on how a connection closes that is not used any more.
    await open.producer.disconnect().catch(() => {});
  }
}

type Open = { readonly producer: Producer; readonly destroy: () => void; connected: Promise<void> | null };

const toKafka = ({ key, value, headers }: TopicMessage) => ({
  key,
  value,
  // The driver's types want an array that may be changed.
  headers: Object.fromEntries(
    Object.entries(headers).map(([name, values]) => [name, Array.isArray(values) ? [...values] : values]),
  ) as IHeaders,
});

const TOO_LARGE: readonly string[] = ['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE'];

/** The driver wraps what the broker has said in what it made of it. */
export const isTooLarge = (error: unknown): boolean => {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if ('type' in cause && typeof cause.type === 'string' && TOO_LARGE.includes(cause.type)) return true;
  }
  return false;
};
