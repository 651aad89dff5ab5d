export {
  APPEND_BYTES_MAX,
  APPEND_EVENTS_MAX,
  AppendRefused,
  EventStore,
  LOG_START,
  LogFull,
  NO_STREAM,
  PAGE_BYTES_MAX,
  PAGE_EVENTS_MAX,
  type Append,
  type AppendOutcome,
  type Audience,
  type Commit,
  type Envelope,
  type Filter,
  type NewEvent,
  type Position,
  type ReadAllOptions,
  type RecordedEvent,
  type Revision,
  type StreamName,
  type SubscribeOptions,
  type SubscriptionMessage,
} from './event-store.js';
export {
  envelopeOf,
  firstTypeOf,
  positionAt,
  recordedAtOf,
  storedEvents,
  unpack,
  unpackForFold,
  type FoldedEvent,
  type StoredEvent,
} from './packed.js';
export { eventText, shownData, shownEventText } from './event-text.js';
export {
  ALL_SHARDS,
  CATALOGUE,
  isRunId,
  planStream,
  prefixesOf,
  OUR_STREAMS,
  RUN_STREAMS,
  runIdOf,
  runStream,
  shardOf,
  shardPrefixes,
  SHARDS,
  textStream,
  type Shard,
} from './stream-names.js';
export { decodeRunEvent, encodeRunEvent, RUN_EVENT_TYPES, UnknownEvent } from './run-event-codec.js';
export { FOREIGN } from './foreign-event.js';
export { RUN_EVENT_SCHEMAS, type EventSchema } from './run-event-schemas.js';
export { MemoryEventStore } from './memory/memory-event-store.js';
export {
  LogFailed,
  SqliteEventStore,
  type SqliteEventStoreOptions,
  type StoreStats,
} from './sqlite/sqlite-event-store.js';
export {
  EventStoreDbEventStore,
  EventStoreUnreachable,
  type EventStoreDbOptions,
} from './eventstoredb/eventstoredb-event-store.js';
export { openEventStore, serverVersionOf, type EventStoreConfig } from './store-of-config.js';
export { openSqliteLogReader, type SqliteLogReader } from './sqlite/log-reader.js';
export { LogUnusable } from './sqlite/log-file.js';
export { LogLocked } from './sqlite/log-writer.js';
export { FileLocked, holdFileLock } from './sqlite/file-lock.js';
