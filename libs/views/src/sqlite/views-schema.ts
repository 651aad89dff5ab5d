import type { Kysely } from 'kysely';
import { sql } from 'kysely';
import type { Migration } from '../migrations.js';
import type { ViewsSchema } from '../run-list-tables.js';
import { bucketOf, lookupHash } from '../run-lookups.js';

const strict = sql`strict`;
const strictWithoutRowid = sql`strict, without rowid`;

const runList = async (db: Kysely<ViewsSchema>): Promise<void> => {
  await db.schema
    .createTable('runs')
    .addColumn('seq', 'integer', (column) => column.primaryKey())
    .addColumn('run_id', 'text', (column) => column.notNull())
    .addColumn('id', 'text', (column) => column.notNull())
    .addColumn('key', 'text', (column) => column.notNull())
    .addColumn('workflow', 'text')
    .addColumn('version', 'text')
    .addColumn('namespace', 'text', (column) => column.notNull())
    .addColumn('queue', 'text', (column) => column.notNull())
    .addColumn('tags', 'text', (column) => column.notNull())
    .addColumn('correlation_id', 'text')
    .addColumn('requestor', 'text')
    .addColumn('created_at', 'text', (column) => column.notNull())
    .addColumn('start_position', 'integer', (column) => column.notNull())
    .addColumn('status', 'text', (column) => column.notNull())
    .addColumn('reason', 'text')
    .addColumn('error_name', 'text')
    .addColumn('error_cause', 'text')
    .addColumn('finished_at', 'text')
    .addColumn('resolved', 'integer', (column) => column.notNull())
    .addColumn('revision', 'integer', (column) => column.notNull())
    .modifyEnd(strict)
    .execute();
  // Each of these ends in the row's seq, so that a page is read in order and without sorting. Few values each: inserts
  // stay at the right edge of a value.
  await db.schema.createIndex('runs_by_status').on('runs').column('status').execute();
  await db.schema.createIndex('runs_by_workflow').on('runs').column('workflow').execute();
  await db.schema.createIndex('runs_by_namespace').on('runs').column('namespace').execute();
  await db.schema.createIndex('runs_by_queue').on('runs').column('queue').execute();
  await sql`create index runs_resolved on runs (resolved) where resolved = 1`.execute(db);
  // Names are random, so an index of all would dirty a page a run. Only open runs are looked up often, and a run
  // shorter than a batch never gets in.
  await sql`create unique index runs_open_by_run_id on runs (run_id) where status = 'running'`.execute(db);
  await db.schema
    .createTable('run_lookups')
    .addColumn('bucket', 'integer', (column) => column.notNull())
    .addColumn('hash', 'integer', (column) => column.notNull())
    .addColumn('seq', 'integer', (column) => column.notNull())
    .addColumn('step', 'text')
    .addPrimaryKeyConstraint('run_lookups_key', ['bucket', 'hash', 'seq'])
    .modifyEnd(strictWithoutRowid)
    .execute();
  await db.schema
    .createTable('run_buckets')
    .addColumn('bucket', 'integer', (column) => column.primaryKey())
    .addColumn('created_min', 'text', (column) => column.notNull())
    .addColumn('created_max', 'text', (column) => column.notNull())
    .modifyEnd(strict)
    .execute();
  await db.schema
    .createTable('parked_streams')
    .addColumn('stream', 'text', (column) => column.primaryKey())
    .addColumn('position', 'integer', (column) => column.notNull())
    .addColumn('revision', 'integer', (column) => column.notNull())
    .addColumn('event_type', 'text', (column) => column.notNull())
    .addColumn('error', 'text', (column) => column.notNull())
    .addColumn('skipped', 'integer', (column) => column.notNull())
    .modifyEnd(strict)
    .execute();
  await db.schema
    .createTable('checkpoint')
    .addColumn('one', 'integer', (column) => column.primaryKey().check(sql`one = 1`))
    .addColumn('position', 'integer', (column) => column.notNull())
    .modifyEnd(strict)
    .execute();
  await sql`insert into checkpoint (one, position) values (1, -1)`.execute(db);
};

/**
 * Success and cancel resolve themselves, and an end tells its reason as the run does. All that is needed stands in the
 * rows, so that an older set need not be rebuilt. What is looked for is what is not resolved, and is rare.
 */
const resolvedRuns = async (db: Kysely<ViewsSchema>): Promise<void> => {
  await sql`drop index runs_resolved`.execute(db);
  await sql`update runs set resolved = 1 where status in ('completed', 'cancelled')`.execute(db);
  await sql`update runs set reason = coalesce(error_cause, error_name) where status = 'failed'`.execute(db);
  await sql`update runs set reason = error_cause where status = 'timed-out'`.execute(db);
  await sql`create index runs_unresolved on runs (resolved) where resolved = 0`.execute(db);
};

/**
 * The rows of this table are in no other: what a completed run has left of failed steps only the log knows. So the set is
 * emptied, and the projector fills it from the beginning of the log.
 */
const stepList = async (db: Kysely<ViewsSchema>): Promise<void> => {
  await db.schema
    .createTable('steps')
    .addColumn('place', 'integer', (column) => column.primaryKey())
    .addColumn('run', 'text', (column) => column.notNull())
    .addColumn('workflow', 'text')
    .addColumn('version', 'text')
    .addColumn('namespace', 'text', (column) => column.notNull())
    .addColumn('queue', 'text', (column) => column.notNull())
    .addColumn('key', 'text', (column) => column.notNull())
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('type', 'text', (column) => column.notNull())
    .addColumn('status', 'text', (column) => column.notNull())
    .addColumn('target', 'text')
    .addColumn('attempts', 'integer', (column) => column.notNull())
    .addColumn('error_name', 'text')
    .addColumn('error_cause', 'text')
    .addColumn('entered_at', 'text', (column) => column.notNull())
    .addColumn('started_at', 'text')
    .addColumn('finished_at', 'text')
    .addColumn('retry_at', 'text')
    .modifyEnd(strict)
    .execute();
  // Each ends in the row's place, as those of runs do.
  // By an expression, else SQLite would take this one wherever a status is given, and pass over steps of other targets.
  await sql`create index steps_by_status on steps (status || '')`.execute(db);
  await db.schema.createIndex('steps_by_workflow').on('steps').columns(['status', 'workflow']).execute();
  await db.schema.createIndex('steps_by_target').on('steps').columns(['status', 'target']).execute();
  for (const table of ['runs', 'run_lookups', 'run_buckets', 'parked_streams'] as const) {
    await db.deleteFrom(table).execute();
  }
  await db.updateTable('checkpoint').set({ position: -1 }).execute();
};

/** Rows of archived runs go, so that the last place given is no longer that of the last row. */
const lastSeq = async (db: Kysely<ViewsSchema>): Promise<void> => {
  await sql`alter table checkpoint add column last_seq integer not null default 0`.execute(db);
  await sql`update checkpoint set last_seq = coalesce((select max(seq) from runs), 0)`.execute(db);
};

const ROWS_A_TURN = 1_000;

/** The rows have had their requestors from the first, so that an older set need not be filled again. */
const requestors = async (db: Kysely<ViewsSchema>): Promise<void> => {
  for (let last: number | undefined = 0; last !== undefined;) {
    const rows: { seq: number; requestor: string | null }[] = await db
      .selectFrom('runs')
      .select(['seq', 'requestor'])
      .where('seq', '>', last)
      .orderBy('seq')
      .limit(ROWS_A_TURN)
      .execute();
    const lookups = rows.flatMap(({ seq, requestor }) =>
      requestor === null ? [] : [{ bucket: bucketOf(seq), hash: lookupHash('requestor', requestor), seq, step: null }],
    );
    if (lookups.length > 0) {
      await db
        .insertInto('run_lookups')
        .values(lookups)
        .onConflict((conflict) => conflict.doNothing())
        .execute();
    }
    last = rows.at(-1)?.seq;
  }
};

/** In order, never edited and never reordered: what changes a table is a new entry. */
export const MIGRATIONS: readonly Migration<Kysely<ViewsSchema>>[] = [
  { name: 'run-list', up: runList },
  { name: 'resolved-runs', up: resolvedRuns },
  { name: 'step-list', up: stepList },
  { name: 'last-seq', up: lastSeq },
  { name: 'requestors', up: requestors },
];

export const VIEWS_SCHEMA_VERSION = MIGRATIONS.length;
