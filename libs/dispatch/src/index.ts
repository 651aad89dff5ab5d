export { Dispatcher, type DispatcherOptions } from './dispatcher.js';
export { MemoryOpenRuns, type OpenRun, type OpenRuns, type OpenRunsBatch } from './open-runs/open-runs.js';
export { SqliteOpenRuns } from './open-runs/sqlite/sqlite-open-runs.js';
export type { ShardHolder, ShardOwnership } from './shards/shard-ownership.js';
export { SingleOwner } from './shards/single-owner.js';
