import type { ClientBase } from 'pg';
import { systemClock } from '#runtime';
import { RebuildLocked, rebuild, type LogPages, type RebuildOptions, type RebuildResult } from '../rebuild.js';
import { inTransaction, makeSet, migrate } from './migrate.js';
import { PostgresViews } from './postgres-views.js';
import { PostgresSession } from './session.js';
import { ROOT_SCHEMA, SET_INDEXES, SET_TABLES, setName, setNumber } from './views-schema.js';

/** Many, since each is some statements; few enough for their events to be held. */
const BATCH_COMMITS = 16_000;
/** A rebuild that falls silent with the lock of what is served is ended by the server: the projector waits for that lock. */
const LOCKED_MS_MAX = 30_000;
const LOCK = `select pg_try_advisory_lock(hashtextextended('stepwell views rebuild', 0)) as held`;
/** Without indexes but those that a rebuild itself reads by. */
const STAGED_TABLES = `${SET_TABLES};
  create table run_lookups_staging (hash bigint not null, seq bigint not null, step text collate "C")`;

export type PostgresRebuildOptions = RebuildOptions & { readonly lockedMsMax?: number };

/**
 * Builds a new set of views beside the served one from the whole log, and switches to it. Running services are not
 * disturbed: lists are read from the new set from the next one on, and the projector goes on with it.
 */
export const rebuildPostgresViews = async (
  log: LogPages,
  url: string,
  options: PostgresRebuildOptions,
): Promise<RebuildResult> => {
  // A rebuild has statements that take as long as the log is.
  const session = await PostgresSession.connect(url, { stuckMs: Infinity });
  const switching = await PostgresSession.connect(url, { stuckMs: Infinity });
  try {
    return await session.run(async (client) => {
      await migrate(client);
      const { rows } = await client.query<{ held: boolean }>(LOCK);
      if (!rows[0]!.held) throw new RebuildLocked('another rebuild of these views is under way');
      const set = await nextSet(client);
      await makeSet(client, set, STAGED_TABLES);
      const events = await fill(client, set, log, options);
      if (events === null) {
        await removeSets(client);
        return { status: 'interrupted' };
      }
      await index(client, set);
      const later = await switching.run((other) => switchTo(other, client, set, log, options));
      await removeSets(client);
      return later === null ? { status: 'interrupted' } : { status: 'switched', set, events: events + later };
    });
  } finally {
    // The lock goes with its session.
    await Promise.all([session.end(), switching.end()]);
  }
};

const fill = async (
  client: ClientBase,
  set: string,
  log: LogPages,
  options: RebuildOptions,
): Promise<number | null> => {
  const views = await PostgresViews.open(client, set, { served: false, lookupsGo: 'into staging' });
  return rebuild(log, views, systemClock, { batchCommits: BATCH_COMMITS, ...options });
};

/** Sorted once, instead of each into its place, without those of runs that are gone again. Statistics at once: the planner knows nothing of a new table. */
const index = async (client: ClientBase, set: string): Promise<void> => {
  await inTransaction(client, async () => {
    await client.query(`
      set local search_path to ${set};
      set local work_mem to '128MB';
      set local maintenance_work_mem to '256MB';
      insert into run_lookups (hash, seq, step)
        select distinct on (hash, seq) hash, seq, step from run_lookups_staging
        where seq in (select seq from runs) order by hash, seq;
      drop table run_lookups_staging;
      ${SET_INDEXES}`);
  });
  await client.query(`analyze ${set}.runs, ${set}.steps, ${set}.run_lookups, ${set}.run_buckets`);
};

/**
 * While the pointer is locked no batch goes to the served set: what the log holds by then is caught up with, so that no
 * reader goes back. Most of it is caught up with before, while the served set is still written. Gives the number of those
 * events, `null` when the signal has ended it.
 */
const switchTo = async (
  client: ClientBase,
  writing: ClientBase,
  set: string,
  log: LogPages,
  { signal, lockedMsMax = LOCKED_MS_MAX }: PostgresRebuildOptions,
): Promise<number | null> => {
  const views = await PostgresViews.open(writing, set, { served: false, lookupsGo: 'into their table' });
  const catchUp = () => rebuild(log, views, systemClock, { onProgress: () => {}, signal });
  const before = await catchUp();
  return inTransaction(client, async () => {
    await client.query(`set local idle_in_transaction_session_timeout = ${lockedMsMax};
      select current from ${ROOT_SCHEMA}.sets for update`);
    const after = await catchUp();
    if (before === null || after === null) return null;
    await client.query(`update ${ROOT_SCHEMA}.sets set previous = current, current = $1`, [set]);
    return before + after;
  });
};

/** A name that no set has. What a killed rebuild has left is removed first. */
const nextSet = async (client: ClientBase): Promise<string> => {
  await removeSets(client);
  const numbers = (await sets(client)).map((set) => setNumber(set)!);
  return setName(Math.max(0, ...numbers) + 1);
};

const sets = async (client: ClientBase): Promise<readonly string[]> => {
  const { rows } = await client.query<{ nspname: string }>('select nspname from pg_namespace');
  return rows.map(({ nspname }) => nspname).filter((schema) => setNumber(schema) !== null);
};

/** All but the served one and the one before it, which is kept for rolling back. */
const removeSets = async (client: ClientBase): Promise<void> => {
  const { rows } = await client.query<{ current: string; previous: string | null }>(
    `select current, previous from ${ROOT_SCHEMA}.sets`,
  );
  const kept = Object.values(rows[0]!);
  for (const set of await sets(client)) {
    if (!kept.includes(set)) await client.query(`drop schema ${set} cascade`);
  }
};
