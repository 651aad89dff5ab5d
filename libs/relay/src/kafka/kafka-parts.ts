import type { EventStore } from '#event-store';
import type { Clock, Entropy, KafkaConfig, Log } from '#runtime';
import { Relay } from '../relay.js';
import type { RelayCheckpoint } from '../relay-checkpoint.js';
import type { StartRuns } from '../start-runs.js';
import type { KafkaConnection } from './kafka-client.js';
import { KafkaPublisher } from './kafka-publisher.js';
import { KafkaTrigger } from './kafka-trigger.js';

/** The relay that the settings ask for; `null` when no broker is named. It is not started. */
export const createKafkaRelay = (
  store: EventStore,
  checkpoint: RelayCheckpoint,
  clock: Clock,
  entropy: Entropy,
  log: Log,
  { topic, events, ...config }: KafkaConfig,
): Relay | null => {
  if (config.brokers.length === 0) return null;
  const publisher = new KafkaPublisher(connectionOf(config));
  return new Relay(store, publisher, checkpoint, clock, entropy, log, { topic, events });
};

/** The trigger that the settings ask for; `null` when no broker or no topic is named. It is not started. */
export const createKafkaTrigger = (
  runs: StartRuns,
  clock: Clock,
  entropy: Entropy,
  log: Log,
  { trigger, deadLetterTopic, ...config }: KafkaConfig,
): KafkaTrigger | null => {
  const { topic, groupId, workflow, keyHeader } = trigger;
  if (config.brokers.length === 0 || topic === null) return null;
  const connection = connectionOf(config);
  const settings = { topic, groupId, workflow, keyHeader, deadLetterTopic };
  return new KafkaTrigger(connection, runs, new KafkaPublisher(connection), clock, entropy, log, settings);
};

const connectionOf = ({ brokers, tls, sasl }: Pick<KafkaConfig, 'brokers' | 'tls' | 'sasl'>): KafkaConnection => {
  const { mechanism, username, password } = sasl;
  return { brokers, tls, sasl: mechanism === 'none' ? null : { mechanism, username, password } };
};
