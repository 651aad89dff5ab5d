import type { Kysely } from 'kysely';
import { sql } from 'kysely';
import { ViewsTooNew } from '../view-store.js';
import { MIGRATIONS, type Migration, type ViewsSchema } from './views-schema.js';

/**
 * Brings the tables to this release's version, each step in a transaction with its record. Refuses what a newer release
 * has written. Kysely's own migrator is not used: it records the wall clock, and a rebuilt set must equal the kept one.
 */
export const migrate = async (
  db: Kysely<ViewsSchema>,
  migrations: readonly Migration[] = MIGRATIONS,
): Promise<void> => {
  await sql`create table if not exists migrations (version integer primary key, name text not null) strict`.execute(db);
  const applied = await db.selectFrom('migrations').select(['version', 'name']).orderBy('version').execute();
  const unknown = applied.find(({ version, name }) => migrations[version - 1]?.name !== name);
  if (unknown !== undefined) {
    throw new ViewsTooNew(
      `the views were written by another release: their migration ${unknown.version} is "${unknown.name}", ` +
        `this release knows ${migrations.length} (up to "${migrations.at(-1)?.name}"). ` +
        'Start that release, or rebuild the views with this one: npm run views:rebuild',
    );
  }
  for (let version = applied.length + 1; version <= migrations.length; version++) {
    const { name, up } = migrations[version - 1]!;
    await db.transaction().execute(async (transaction) => {
      await up(transaction);
      await transaction.insertInto('migrations').values({ version, name }).execute();
    });
  }
};
