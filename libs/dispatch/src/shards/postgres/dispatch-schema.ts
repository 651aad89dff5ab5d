import assert from 'node:assert/strict';
import type pg from 'pg';
import { sha256Hex } from '#runtime';

/** Where the tables of the dispatchers are when nothing else is said. */
export const DISPATCH_SCHEMA = 'stepwell_dispatch';

const NAME = /^[a-z_][a-z\d_]{0,47}$/;

/** A schema's name, checked: statements are made with it. */
export const checkedSchema = (name: string): string => {
  assert.match(name, NAME, 'the name of the schema of the dispatchers');
  return name;
};

/** A number of 32 bits for an advisory lock: two schemas of one database do not share their locks. */
export const lockSpace = (schema: string, what: string): number =>
  Number.parseInt(sha256Hex(`stepwell ${schema} ${what}`).slice(0, 8), 16) | 0;

/** What each version adds to the one before it. Never edited, only continued. */
const MIGRATIONS: readonly ((schema: string) => string)[] = [
  // `claim` is new whenever a shard changes hands: a write under an older one is a zombie's. Not a counter, which a
  // server that lost its last commits would count twice. `written` counts the writes of a claim.
  (schema) => `
    create table ${schema}.shards (
      shard smallint primary key,
      owner text,
      claim uuid,
      holder text,
      freed text,
      position bigint,
      written bigint not null default 0
    );
    insert into ${schema}.shards (shard) select generate_series(0, 63);
    create table ${schema}.dispatchers (
      id text primary key,
      name text not null,
      boot text not null,
      backend_pid integer not null,
      backend_start timestamptz not null,
      joined_at timestamptz not null default clock_timestamp(),
      beat_at timestamptz not null default clock_timestamp(),
      ended boolean not null default false
    );
    create table ${schema}.shard_moves (
      id bigint generated always as identity primary key,
      shard smallint not null,
      from_dispatcher text,
      to_dispatcher text not null,
      reason text not null check (reason in ('joined', 'left', 'silent', 'died')),
      at timestamptz not null default clock_timestamp()
    );
    create table ${schema}.open_runs (
      run_id text collate "C" primary key,
      shard smallint not null,
      due_ms bigint not null
    );
    create index open_runs_by_due on ${schema}.open_runs (shard, due_ms, run_id);
  `,
  // A dispatcher is its row and its beat, whatever connection it speaks by. No claim outlives the row of its owner.
  (schema) => `
    alter table ${schema}.dispatchers drop column backend_pid, drop column backend_start, drop column ended;
    update ${schema}.shards set owner = null, claim = null where owner not in (select id from ${schema}.dispatchers);
    alter table ${schema}.shards add foreign key (owner) references ${schema}.dispatchers (id) on delete set null;
  `,
];

/**
 * Who has the lock and says nothing for so long is dead, though the server has not heard of it: the machine may be gone, and
 * TCP gives up on it after two hours. Until then no dispatcher could join.
 */
const SILENT = `set local idle_in_transaction_session_timeout = '5s'`;

/** Makes or renews the tables; one process at a time, the others find it done. */
export const migrate = async (client: pg.ClientBase, schema: string): Promise<void> => {
  await client.query(`begin; ${SILENT}`);
  try {
    await client.query('select pg_advisory_xact_lock($1)', [lockSpace(schema, 'migrations')]);
    await client.query(`create schema if not exists ${schema}`);
    await client.query(`create table if not exists ${schema}.schema_version (version integer not null)`);
    const known = await client.query<{ version: number }>(`select version from ${schema}.schema_version`);
    const version = known.rows[0]?.version ?? 0;
    if (version > MIGRATIONS.length) {
      throw new Error(
        `the tables in the schema ${schema} are of version ${version}, this is for ${MIGRATIONS.length}: a newer Stepwell has been here`,
      );
    }
    for (const migration of MIGRATIONS.slice(version)) await client.query(migration(schema));
    if (version < MIGRATIONS.length) {
      await client.query(`delete from ${schema}.schema_version`);
      await client.query(`insert into ${schema}.schema_version values ($1)`, [MIGRATIONS.length]);
    }
    await client.query('commit');
  } catch (error) {
    // On a connection that is gone there is nothing to take back; what went wrong is told by the first error.
    await client.query('rollback').catch(() => undefined);
    throw error;
  }
};
