import { hostname } from 'node:os';
import { join } from 'node:path';
import type { EventStore, Position } from '#event-store';
import type { Clock } from '#runtime';
import { LeadingProjector } from './postgres/leading-projector.js';
import { PostgresViewStore } from './postgres/postgres-view-store.js';
import { SET_MIGRATIONS } from './postgres/views-schema.js';
import { Projector, type ProjectorOptions } from './projector.js';
import { SqliteViewStore } from './sqlite/sqlite-view-store.js';
import { VIEWS_SCHEMA_VERSION } from './sqlite/views-schema.js';
import type { ViewProjector } from './view-projector.js';
import type { ViewStore } from './view-store.js';

/** Where views are kept: of all settings what this library reads. */
export type ViewsConfig = { readonly dataDir: string; readonly views: { readonly url: string | null } };

/** Views of a process that has both: it writes them, or stands by, and reads lists from them. */
export type Views = {
  readonly store: ViewStore;
  readonly projector: ViewProjector;
  waitFor(position: Position, timeoutMs: number): Promise<boolean>;
};

/** SQLite in the folder of the views serves one process. */
export class ViewsNotShared extends Error {
  readonly code = 'views-not-shared';
  readonly retryable = false;
}

/** Views in Postgres when a URL is set, else in SQLite below the data folder, for one process. */
export const openViews = (
  config: ViewsConfig,
  log: EventStore,
  clock: Clock,
  { folder = join(config.dataDir, 'views'), ...options }: ProjectorOptions & { readonly folder?: string } = {},
): Views => {
  if (config.views.url !== null) {
    const store = new PostgresViewStore(config.views.url, { clock });
    const projector = sharedProjector(config, log, clock, options);
    return { store, projector, waitFor: (position, timeoutMs) => store.waitFor(position, timeoutMs) };
  }
  const store = new SqliteViewStore(folder);
  const projector = new Projector(log, store, clock, options);
  return { store, projector, waitFor: (position, timeoutMs) => projector.waitFor(position, timeoutMs) };
};

/** For a process that only reads lists. Throws `ViewsNotShared` without a URL. */
export const sharedViews = (config: ViewsConfig, clock: Clock): PostgresViewStore =>
  new PostgresViewStore(sharedUrl(config), { clock });

/** For a process that only writes them, as one of several. Throws `ViewsNotShared` without a URL. */
export const sharedProjector = (
  config: ViewsConfig,
  log: EventStore,
  clock: Clock,
  options: ProjectorOptions,
): LeadingProjector => {
  const onFault = options.onFault;
  return new LeadingProjector(log, sharedUrl(config), clock, {
    ...options,
    lock: {
      holder: `${hostname()}-${process.pid}`,
      ...(onFault && { onFault: (error, delayMs) => onFault(error, delayMs) }),
    },
  });
};

/** Of the tables that the views are kept in. */
export const viewsSchemaVersion = ({ views }: Pick<ViewsConfig, 'views'>): number =>
  views.url === null ? VIEWS_SCHEMA_VERSION : SET_MIGRATIONS.length;

const sharedUrl = ({ views }: ViewsConfig): string => {
  if (views.url !== null) return views.url;
  throw new ViewsNotShared(
    'views in SQLite serve one process; an app that runs beside others needs STEPWELL_VIEWS_URL=postgres://…',
  );
};
