import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { makeTopics, topicName } from '../../../../test/support/kafka-topics.js';
import { testKafka, type TestKafka } from '../../../../test/support/kafka.js';
import { pause } from '../../../../test/support/pause.js';
import { KAFKA_TIMEOUTS, kafkaClient } from './kafka-client.js';

describe('kafkaClient', () => {
  let kafka: TestKafka;
  beforeAll(async () => {
    kafka = await testKafka();
  });
  afterAll(() => kafka.stop());

  it('has a connection on which nothing happens cost nothing', async () => {
    const topic = topicName('kafka-client', 'idle');
    await makeTopics(kafka, [topic]);
    const { kafka: client, destroy } = kafkaClient({ brokers: kafka.brokers, tls: false, sasl: null }, KAFKA_TIMEOUTS, {
      retries: 0,
    });
    const producer = client.producer({ maxInFlightRequests: 1 });
    const { setTimeout } = globalThis;
    try {
      await producer.connect();
      // All at once over one connection, of which one may be under way: the others wait in the queue of the driver.
      const sent = Array.from({ length: 20 }, (_, index) =>
        producer.send({ topic, messages: [{ value: `${index}` }] }),
      );
      expect(await Promise.all(sent)).toHaveLength(20);
      let timers = 0;
      const counting = (...args: Parameters<typeof setTimeout>) => {
        timers += 1;
        return setTimeout(...args);
      };
      // The function has members of its own, which nobody asks for here.
      globalThis.setTimeout = counting as typeof setTimeout;
      await pause(500);
      expect(timers).toBeLessThan(20);
    } finally {
      globalThis.setTimeout = setTimeout;
      destroy();
      await producer.disconnect().catch(() => {});
    }
  });
});
