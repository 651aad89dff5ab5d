export {
  PARKED_LIST_MAX,
  ViewStore,
  ViewsAheadOfLog,
  ViewsFull,
  ViewsTooNew,
  ViewsUnavailable,
  type Applied,
  type Batch,
  type ParkedStream,
  type RunListItem,
  type RunListPage,
  type RunListQuery,
  type StepListAnswer,
  type StepListItem,
  type StepListPage,
  type StepListQuery,
} from './view-store.js';
export { RebuildLocked, logPages, type LogPages, type RebuildProgress, type RebuildResult } from './rebuild.js';
export { rebuildSqliteViews } from './sqlite/rebuild-sqlite-views.js';
export { SqliteViewStore } from './sqlite/sqlite-view-store.js';
export { viewMetrics } from './view-metrics.js';
export { rebuildPostgresViews } from './postgres/rebuild-postgres-views.js';
export { PostgresViewStore, type Leader } from './postgres/postgres-view-store.js';
export { sharedViewsReadiness } from './postgres/views-readiness.js';
export { LeadingProjector } from './postgres/leading-projector.js';
export { PostgresLeaderLock, type LeaderLockOptions, type Leading } from './postgres/postgres-leader-lock.js';
export type { PostgresSession } from './postgres/session.js';
export { StepList } from './step-list.js';
export { Projector, type ProjectorOptions } from './projector.js';
export { ViewProjector, type Lag } from './view-projector.js';
export {
  ViewsNotShared,
  openViews,
  sharedProjector,
  sharedViews,
  viewsSchemaVersion,
  type Views,
  type ViewsConfig,
} from './views-of-config.js';
