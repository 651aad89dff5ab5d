export { Dispatcher, type DispatcherOptions } from './dispatcher.js';
export { MemoryOpenRuns, type OpenRun, type OpenRuns, type OpenRunsBatch } from './open-runs/open-runs.js';
export { SqliteOpenRuns } from './open-runs/sqlite/sqlite-open-runs.js';
export type { BreakerNews } from './flow/flow-control.js';
export { wholeLimits, type LimitShares } from './flow/limit-shares.js';
export { PostgresLimitShares, type PostgresLimitSharesOptions } from './flow/postgres/postgres-limit-shares.js';
