import { randomUUID } from 'node:crypto';
import type { Consumer, Kafka, KafkaMessage } from 'kafkajs';
import { KAFKA_TIMEOUTS, kafkaClient } from '../../libs/relay/testing/kafka-client.js';
import { eventually } from './pause.js';
import type { TestKafka } from './kafka.js';

export const PARTITIONS = 4;

export const client = ({ brokers }: TestKafka): Kafka =>
  kafkaClient({ brokers, tls: false, sasl: null }, KAFKA_TIMEOUTS, {}).kafka;

/** The name of a topic of one test, not used before: `<file>.<test>.<chance>`. */
export const topicName = (file: string, test: string): string => `${file}.${test}.${randomUUID().slice(0, 8)}`;

/** Makes topics of four partitions. A broker that makes them by itself when they are asked for is let to. */
export const makeTopics = async (kafka: TestKafka, topics: readonly string[]): Promise<void> => {
  const admin = client(kafka).admin({ retry: { retries: 1 } });
  await admin.connect();
  try {
    await admin.createTopics({
      waitForLeaders: true,
      topics: topics.map((topic) => ({ topic, numPartitions: PARTITIONS, replicationFactor: 1 })),
    });
  } catch {
    // The mock cluster knows no such request.
    for (const topic of topics) await sendMessages(kafka, topic, []);
  } finally {
    await admin.disconnect();
  }
};

export type Sent = {
  readonly key?: string | null;
  readonly value: string | Buffer | null;
  readonly headers?: Record<string, string>;
  readonly partition?: number;
};

/** Puts messages into a topic, in their order. */
export const sendMessages = async (kafka: TestKafka, topic: string, messages: readonly Sent[]): Promise<void> => {
  const producer = client(kafka).producer({ maxInFlightRequests: 1 });
  await producer.connect();
  try {
    await producer.send({ topic, messages: [...messages] });
  } finally {
    await producer.disconnect();
  }
};

/** What a group has committed in each partition of a topic; -1 where nothing is. */
export const committed = async (kafka: TestKafka, groupId: string, topic: string): Promise<readonly number[]> => {
  const admin = client(kafka).admin();
  await admin.connect();
  try {
    const [found] = await admin.fetchOffsets({ groupId, topics: [topic] });
    const sorted = [...(found?.partitions ?? [])].sort((a, b) => a.partition - b.partition);
    return sorted.map((each) => Number(each.offset));
  } finally {
    await admin.disconnect();
  }
};

/** How many messages a topic holds, all partitions together. */
export const highWatermarks = async (kafka: TestKafka, topic: string): Promise<number> => {
  const admin = client(kafka).admin();
  await admin.connect();
  try {
    const partitions = await admin.fetchTopicOffsets(topic);
    return partitions.reduce((sum, { high }) => sum + Number(high), 0);
  } finally {
    await admin.disconnect();
  }
};

export type Received = KafkaMessage & { readonly topic: string; readonly partition: number };

/**
 * Reads topics from their beginning and keeps all that comes. One for a whole file of tests: to join a group takes a broker
 * some seconds.
 */
export class TopicReader {
  readonly #consumer: Consumer;
  readonly #topics: readonly string[];
  readonly #messages: Received[] = [];

  constructor(kafka: TestKafka, topics: readonly string[]) {
    this.#consumer = client(kafka).consumer({ groupId: `reader-${randomUUID()}`, maxWaitTimeInMs: 100 });
    this.#topics = topics;
  }

  async start(): Promise<void> {
    await this.#consumer.connect();
    await this.#consumer.subscribe({ topics: [...this.#topics], fromBeginning: true });
    await this.#consumer.run({
      autoCommit: false,
      eachMessage: async ({ topic, partition, message }) => void this.#messages.push({ ...message, topic, partition }),
    });
  }

  /** What has come of a topic so far; in each partition in its order. */
  of(topic: string): readonly Received[] {
    return this.#messages.filter((message) => message.topic === topic);
  }

  /** Resolves as soon as what has come of a topic is as wanted. */
  until(
    topic: string,
    wanted: (messages: readonly Received[]) => boolean,
    timeoutMs?: number,
  ): Promise<readonly Received[]> {
    const what = `messages of ${topic}`;
    return eventually(what, async () => (wanted(this.of(topic)) ? this.of(topic) : null), timeoutMs);
  }

  async stop(): Promise<void> {
    await this.#consumer.disconnect();
  }
}
