import type { Kysely } from 'kysely';
import { sql } from 'kysely';
import { pendingMigrations } from '../migrations.js';
import type { ViewsSchema } from '../run-list-tables.js';
import { MIGRATIONS } from './views-schema.js';

/** Brings the tables to this release's version, each step in a transaction with its record. */
export const migrate = async (db: Kysely<ViewsSchema>): Promise<void> => {
  await sql`create table if not exists migrations (version integer primary key, name text not null) strict`.execute(db);
  const applied = await db.selectFrom('migrations').select(['version', 'name']).orderBy('version').execute();
  for (const { version, name, up } of pendingMigrations(applied, MIGRATIONS)) {
    await db.transaction().execute(async (transaction) => {
      await up(transaction);
      await transaction.insertInto('migrations').values({ version, name }).execute();
    });
  }
};
