export { Dispatcher, type DispatcherOptions } from './dispatcher.js';
export { dispatcherMetrics } from './dispatcher-metrics.js';
export { MemoryOpenRuns, type OpenRun, type OpenRuns, type OpenRunsBatch } from './open-runs/open-runs.js';
export { SqliteOpenRuns } from './open-runs/sqlite/sqlite-open-runs.js';
