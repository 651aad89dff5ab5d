import { ViewsTooNew } from './view-store.js';

export type Migration<Database> = { readonly name: string; readonly up: (db: Database) => Promise<void> };

/**
 * Which are still to be run, with their versions from 1 on. Refuses what another release has written (`ViewsTooNew`).
 * Kysely's own migrator is not used: it records the wall clock, and a rebuilt set must equal the kept one.
 */
export const pendingMigrations = <Database>(
  applied: readonly { readonly version: number; readonly name: string }[],
  migrations: readonly Migration<Database>[],
): readonly (Migration<Database> & { readonly version: number })[] => {
  const unknown = applied.find(({ version, name }) => migrations[version - 1]?.name !== name);
  if (unknown !== undefined) {
    throw new ViewsTooNew(
      `the views were written by another release: their migration ${unknown.version} is "${unknown.name}", ` +
        `this release knows ${migrations.length} (up to "${migrations.at(-1)?.name}"). ` +
        'Start that release, or rebuild the views with this one: npm run views:rebuild',
    );
  }
  return migrations.map((migration, index) => ({ ...migration, version: index + 1 })).slice(applied.length);
};
