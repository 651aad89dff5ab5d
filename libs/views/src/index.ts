export {
  PARKED_LIST_MAX,
  ViewStore,
  ViewsAheadOfLog,
  ViewsTooNew,
  ViewsUnavailable,
  type Applied,
  type Batch,
  type ParkedStream,
  type RunListItem,
  type RunListPage,
  type RunListQuery,
} from './view-store.js';
export type { RebuildProgress } from './rebuild.js';
export { RebuildLocked, rebuildSqliteViews, type RebuildResult } from './sqlite/rebuild-sqlite-views.js';
export { SqliteViewStore } from './sqlite/sqlite-view-store.js';
export { VIEWS_SCHEMA_VERSION } from './sqlite/views-schema.js';
export { viewMetrics } from './view-metrics.js';
export { Projector, type Lag, type ProjectorOptions } from './projector.js';
