import type { ClientBase } from 'pg';
import { pendingMigrations, type Migration } from '../migrations.js';
import { ROOT_MIGRATIONS, ROOT_SCHEMA, SET_MIGRATIONS } from './views-schema.js';

/**
 * Who has the lock and says nothing for so long is dead, though the server has not heard of it: the machine may be gone, and
 * TCP gives up on it after two hours. Until then nobody could open the views.
 */
const SILENT = `set local idle_in_transaction_session_timeout = '5s'`;
const LOCK = `${SILENT}; select pg_advisory_xact_lock(hashtextextended('stepwell views migrations', 0))`;

/**
 * Brings the root and the served set to this release's version, in one transaction under a lock: processes that start at
 * once do it one after the other. Gives the served set.
 */
export const migrate = async (client: ClientBase): Promise<string> =>
  inTransaction(client, async () => {
    await client.query(LOCK);
    await migrateSchema(client, ROOT_SCHEMA, ROOT_MIGRATIONS);
    const current = await currentSet(client);
    await migrateSchema(client, current, SET_MIGRATIONS);
    return current;
  });

/** The set that readers read. */
export const currentSet = async (client: ClientBase): Promise<string> => {
  const { rows } = await client.query<{ current: string }>(`select current from ${ROOT_SCHEMA}.sets`);
  return rows[0]!.current;
};

const migrateSchema = async (
  client: ClientBase,
  schema: string,
  migrations: readonly Migration<ClientBase>[],
): Promise<void> => {
  await client.query(`create schema if not exists ${schema}; set local search_path to ${schema}`);
  await client.query(MIGRATIONS_TABLE);
  const { rows } = await client.query<{ version: number; name: string }>(
    'select version, name from migrations order by version',
  );
  for (const { version, name, up } of pendingMigrations(rows, migrations)) {
    await up(client);
    await client.query('insert into migrations (version, name) values ($1, $2)', [version, name]);
  }
};

const MIGRATIONS_TABLE = 'create table if not exists migrations (version integer primary key, name text not null)';

/** An empty set, of which `fill` makes the tables: as if every migration had run. */
export const makeSet = (client: ClientBase, set: string, tables: string): Promise<void> =>
  inTransaction(client, async () => {
    await client.query(`create schema ${set}; set local search_path to ${set}; ${MIGRATIONS_TABLE}; ${tables}`);
    for (const [index, { name }] of SET_MIGRATIONS.entries()) {
      await client.query('insert into migrations (version, name) values ($1, $2)', [index + 1, name]);
    }
  });

/** Commits when `work` resolves, rolls back when it rejects. */
export const inTransaction = async <Result>(client: ClientBase, work: () => Promise<Result>): Promise<Result> => {
  await client.query('begin');
  try {
    const result = await work();
    await client.query('commit');
    return result;
  } catch (error) {
    // When the connection is gone, so is the transaction: what failed is the better story.
    await client.query('rollback').catch(() => {});
    throw error;
  }
};
