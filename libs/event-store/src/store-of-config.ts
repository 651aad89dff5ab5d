import type { Clock, Log } from '#runtime';
import { EventStoreDbEventStore } from './eventstoredb/eventstoredb-event-store.js';
import type { EventStore } from './event-store.js';
import { MemoryEventStore } from './memory/memory-event-store.js';
import { SqliteEventStore } from './sqlite/sqlite-event-store.js';

/** Where the log is kept: of all settings what this library reads. */
export type EventStoreConfig = {
  readonly eventStore: 'sqlite' | 'memory' | 'eventstoredb';
  readonly dataDir: string;
  readonly eventStoreDb: { readonly url: string } | null;
};

/** Of the server that keeps the log; `null` when the log is embedded. */
export const serverVersionOf = (store: EventStore): string | null =>
  store instanceof EventStoreDbEventStore ? store.serverVersion : null;

/** The store that the settings name, not started yet. The process ends when the embedded log cannot be trusted to it any more. */
export const openEventStore = (config: EventStoreConfig, clock: Clock, log: Log): EventStore => {
  if (config.eventStore === 'memory') return new MemoryEventStore();
  if (config.eventStoreDb !== null && config.eventStore === 'eventstoredb') {
    return new EventStoreDbEventStore(clock, log, config.eventStoreDb);
  }
  return new SqliteEventStore({
    folder: config.dataDir,
    onFatal: (err) => {
      // Nothing that was under way is acknowledged; a restart trusts only what the log holds.
      log.error('the log cannot be trusted to this process any more; it ends', { err });
      process.exit(1);
    },
  });
};
