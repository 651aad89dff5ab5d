import type { Consumer, KafkaMessage } from 'kafkajs';
import { client, makeTopics, topicName } from '../support/kafka-topics.js';
import { kafkaProxies, testKafka, type TestKafka } from '../support/kafka.js';
import type { FaultProxy } from '../support/fault-proxy.js';
import { pause } from '../support/pause.js';
import type { EventShape } from '../support/shapes.js';
import { TopicTally, type ToldEvent } from './topic-tally.js';

/**
 * The broker at hand, with a topic for the relay, which reaches it through proxies. The topic is read from the beginning
 * and all the time, since a broker need not keep it: librdkafka's mock keeps 5 MiB a partition, which is about a minute.
 */
export class RelayTopic {
  readonly tally = new TopicTally();

  private constructor(
    readonly name: string,
    /** As the relay is to know them. */
    readonly brokers: readonly string[],
    readonly proxies: readonly FaultProxy[],
    private readonly kafka: TestKafka,
    private readonly reader: Consumer,
  ) {}

  static async start(): Promise<RelayTopic> {
    const kafka = await testKafka();
    const name = topicName('cluster', 'relay');
    await makeTopics(kafka, [name]);
    const { brokers, proxies } = await kafkaProxies(kafka);
    // Past the proxies: what is done to the relay's connections is not done to the reader.
    const reader = client(kafka).consumer({ groupId: name, maxWaitTimeInMs: 100 });
    const topic = new RelayTopic(name, brokers, proxies, kafka, reader);
    await topic.read();
    return topic;
  }

  /** Waits until all these histories are there, or the time is over: what is missing then is evidence. */
  async until(
    histories: ReadonlyMap<string, readonly EventShape[]>,
    timeoutMs: number,
    progress: (missing: number) => void,
  ): Promise<void> {
    const untilMs = performance.now() + timeoutMs;
    let open = [...histories];
    for (;;) {
      open = open.filter(([id, events]) => !this.tally.holds(id, events));
      if (open.length === 0 || performance.now() > untilMs) return;
      progress(open.length);
      await pause(200);
    }
  }

  async stop(): Promise<void> {
    await this.reader.disconnect();
    await Promise.all(this.proxies.map((proxy) => proxy.stop()));
    await this.kafka.stop();
  }

  private async read(): Promise<void> {
    await this.reader.connect();
    await this.reader.subscribe({ topic: this.name, fromBeginning: true });
    await this.reader.run({
      eachMessage: async ({ partition, message }) => this.tally.see(partition, BigInt(message.offset), toldBy(message)),
    });
  }
}

/** `null` for what is no event of a run. */
const toldBy = ({ key, value, headers }: KafkaMessage): Omit<ToldEvent, 'partition'> | null => {
  try {
    const event = JSON.parse(String(value)) as { readonly revision: unknown; readonly subject: unknown };
    const [id, type] = [headers?.['stepwell-event-id'], headers?.['stepwell-event-type']].map(String);
    const { revision, subject } = event;
    if (typeof revision !== 'number' || typeof subject !== 'string' || subject !== String(key)) return null;
    return { runId: subject, revision, id: id!, type: type! };
  } catch {
    return null;
  }
};
