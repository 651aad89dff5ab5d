export {
  CheckpointAheadOfLog,
  Relay,
  type RelayLag,
  type RelaySettings,
  type RelayState,
} from './relay.js';
export { UnknownEventType, type ChosenEvents } from './chosen-events.js';
export { MemoryRelayCheckpoint, RelayCheckpoint, type TakenCheckpoint } from './relay-checkpoint.js';
export { CheckpointUnreadable, FileRelayCheckpoint } from './file/file-relay-checkpoint.js';
export { PostgresRelayCheckpoint } from './postgres/postgres-relay-checkpoint.js';
export { Publisher, type Published, type TopicMessage } from './publisher.js';
export { KafkaPublisher } from './kafka/kafka-publisher.js';
export type { KafkaConnection, KafkaSasl } from './kafka/kafka-client.js';
export { KafkaTrigger, type KafkaTriggerSettings, type KafkaTriggerState } from './kafka/kafka-trigger.js';
export { StartRuns, type TriggeredStart, type TriggeredStartOutcome } from './start-runs.js';
