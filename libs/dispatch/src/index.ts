export { Dispatcher, type DispatcherOptions } from './dispatcher.js';
export { dispatcherMetrics } from './dispatcher-metrics.js';
export { MemoryOpenRuns, type OpenRun, type OpenRuns, type OpenRunsBatch } from './open-runs/open-runs.js';
export { SqliteOpenRuns } from './open-runs/sqlite/sqlite-open-runs.js';
export { PostgresOpenRuns } from './open-runs/postgres/postgres-open-runs.js';
export type { MoveReason, OwnershipStatus, ShardHolder, ShardOwnership } from './shards/shard-ownership.js';
export { PostgresShardOwnership } from './shards/postgres/postgres-shard-ownership.js';
export { SingleOwner } from './shards/single-owner.js';
