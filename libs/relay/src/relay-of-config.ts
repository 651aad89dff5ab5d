import type { EventStore } from '#event-store';
import { systemClock, systemEntropy, type Config, type Log } from '#runtime';
import type { KafkaConnection } from './kafka/kafka-client.js';
import { KafkaPublisher } from './kafka/kafka-publisher.js';
import { KafkaTrigger } from './kafka/kafka-trigger.js';
import type { RelayCheckpoint } from './relay-checkpoint.js';
import { Relay } from './relay.js';
import type { StartRuns } from './start-runs.js';

type KafkaConfig = Config['kafka'];

/** The relay that the settings name; `null` where there is no Kafka. */
export const relayOfConfig = (
  kafka: KafkaConfig,
  store: EventStore,
  checkpoint: RelayCheckpoint,
  log: Log,
): Relay | null =>
  kafka.brokers.length === 0
    ? null
    : new Relay(store, new KafkaPublisher(connectionOf(kafka)), checkpoint, systemClock, systemEntropy, log, {
        topic: kafka.topic,
        events: kafka.events,
      });

/** The trigger that the settings name; `null` where no topic is to start runs. */
export const triggerOfConfig = (kafka: KafkaConfig, runs: StartRuns, log: Log): KafkaTrigger | null => {
  const { topic, ...trigger } = kafka.trigger;
  if (kafka.brokers.length === 0 || topic === null) return null;
  const connection = connectionOf(kafka);
  return new KafkaTrigger(connection, runs, new KafkaPublisher(connection), systemClock, systemEntropy, log, {
    ...trigger,
    topic,
    deadLetterTopic: kafka.deadLetterTopic,
  });
};

const connectionOf = ({ brokers, tls, sasl: { mechanism, ...sasl } }: KafkaConfig): KafkaConnection => ({
  brokers,
  tls,
  sasl: mechanism === 'none' ? null : { mechanism, ...sasl },
});
