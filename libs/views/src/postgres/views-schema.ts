import type { ClientBase, QueryResult } from 'pg';
import type { Migration } from '../migrations.js';
import { lookupHash } from '../run-lookups.js';
import { arrayOf, fromStored } from './stored-text.js';

/** The schema that is always there: which set is served, and who leads. The sets themselves have one each. */
export const ROOT_SCHEMA = 'stepwell_views';
const SET = /^stepwell_views_([1-9]\d{0,8})$/;

export const setName = (number: number): string => `${ROOT_SCHEMA}_${number}`;
/** `null` for a schema that is no set. */
export const setNumber = (schema: string): number | null => {
  const digits = SET.exec(schema)?.[1];
  return digits === undefined ? null : Number(digits);
};

/** Told at each commit of a batch, with the new checkpoint. */
export const CHECKPOINT_CHANNEL = 'stepwell_views_checkpoint';
/** Told by those who wait, with the position that they need. */
export const HURRY_CHANNEL = 'stepwell_views_hurry';

const root = async (client: ClientBase): Promise<void> => {
  await client.query(`
    create table sets (
      one integer primary key check (one = 1),
      current text collate "C" not null,
      previous text collate "C"
    );
    insert into sets values (1, '${setName(1)}', null);
    create table leaders (
      name text collate "C" primary key,
      holder text collate "C" not null,
      backend_pid integer not null,
      term bigint not null,
      taken_at timestamptz not null,
      beat_at timestamptz not null
    )`);
};

/**
 * Text is in the order of its bytes: nothing here is sorted for people, and instants then compare as they do everywhere
 * else. Statements name the columns; their order is that of `RUN_COLUMNS`.
 */
const RUN_LIST_TABLES = `
  create table runs (
    seq bigint primary key,
    run_id text collate "C" not null,
    id text collate "C" not null,
    key text collate "C" not null,
    workflow text collate "C",
    version text collate "C",
    namespace text collate "C" not null,
    queue text collate "C" not null,
    tags text collate "C" not null,
    correlation_id text collate "C",
    requestor text collate "C",
    created_at text collate "C" not null,
    start_position bigint not null,
    status text collate "C" not null,
    reason text collate "C",
    error_name text collate "C",
    error_cause text collate "C",
    finished_at text collate "C",
    resolved integer not null,
    revision integer not null
  );
  create unique index runs_by_run_id on runs (run_id);
  create table run_lookups (hash bigint not null, seq bigint not null, step text collate "C");
  create table run_buckets (
    bucket integer primary key,
    created_min text collate "C" not null,
    created_max text collate "C" not null
  );
  create table parked_streams (
    stream text collate "C" primary key,
    position bigint not null,
    revision integer not null,
    event_type text collate "C" not null,
    error text collate "C" not null,
    skipped integer not null
  );
  create table checkpoint (one integer primary key check (one = 1), position bigint not null);
  insert into checkpoint values (1, -1)`;

/**
 * Each ends in the place, so that a page is read in order and without sorting. `seq + 0` is the place under a name that the
 * primary key does not have: else the planner, taking each value for evenly spread, would look for the runs of a workflow by
 * walking all runs, back to the month in which that workflow last ran.
 */
const RUN_LIST_INDEXES = `
  create index runs_by_status on runs (status, (seq + 0));
  create index runs_by_workflow on runs (workflow, (seq + 0));
  create index runs_by_namespace on runs (namespace, (seq + 0));
  create index runs_by_queue on runs (queue, (seq + 0));
  create index runs_unresolved on runs ((seq + 0)) where resolved = 0;
  alter table run_lookups add primary key (hash, seq)`;

const STEP_LIST_TABLE = `
  create table steps (
    place bigint primary key,
    run text collate "C" not null,
    workflow text collate "C",
    version text collate "C",
    namespace text collate "C" not null,
    queue text collate "C" not null,
    key text collate "C" not null,
    name text collate "C" not null,
    type text collate "C" not null,
    status text collate "C" not null,
    target text collate "C",
    attempts integer not null,
    error_name text collate "C",
    error_cause text collate "C",
    entered_at text collate "C" not null,
    started_at text collate "C",
    finished_at text collate "C",
    retry_at text collate "C"
  )`;
/** As the indexes of runs. */
const STEP_LIST_INDEXES = `
  create index steps_by_status on steps (status, (place + 0));
  create index steps_by_workflow on steps (status, workflow, (place + 0));
  create index steps_by_target on steps (status, target, (place + 0))`;

/** Rows of archived runs go, so that the last place given is no longer that of the last row. */
const LAST_SEQ = `
  alter table checkpoint add column last_seq bigint not null default 0;
  update checkpoint set last_seq = coalesce((select max(seq) from runs), 0)`;

/**
 * By which steps a run is found does not stand in its row, and the primary key begins with the hash. `seq + 0`, since else
 * lists by a step would be read by this one.
 */
const STEPS_INDEX = `
  create index run_lookups_of_steps on run_lookups ((seq + 0)) where step is not null`;

/** For a rebuild, which fills the tables before it indexes them; together they make what the migrations make. */
export const SET_TABLES = `${RUN_LIST_TABLES};${STEP_LIST_TABLE};${LAST_SEQ}`;
export const SET_INDEXES = `${RUN_LIST_INDEXES};${STEP_LIST_INDEXES};${STEPS_INDEX}`;

const runList = async (client: ClientBase): Promise<void> => {
  await client.query(RUN_LIST_TABLES);
  await client.query(RUN_LIST_INDEXES);
};

/**
 * The rows of this table are in no other: what a completed run has left of failed steps only the log knows. So the set is
 * emptied, and the projector fills it from the beginning of the log.
 */
const stepList = async (client: ClientBase): Promise<void> => {
  await client.query(STEP_LIST_TABLE);
  await client.query(STEP_LIST_INDEXES);
  await client.query(`truncate runs, run_lookups, run_buckets, parked_streams; update checkpoint set position = -1`);
};

const lastSeq = async (client: ClientBase): Promise<void> => {
  await client.query(`${LAST_SEQ};${STEPS_INDEX}`);
};

const ROWS_A_TURN = 1_000;

/** The rows have had their requestors from the first, so that an older set need not be filled again. */
const requestors = async (client: ClientBase): Promise<void> => {
  for (let last: number | undefined = 0; last !== undefined;) {
    const found: QueryResult<{ seq: number; requestor: string | null }> = await client.query(
      'select seq, requestor from runs where seq > $1 order by seq limit $2',
      [last, ROWS_A_TURN],
    );
    const asked = found.rows.flatMap(({ seq, requestor }) => (requestor === null ? [] : [{ seq, requestor }]));
    await client.query(
      `insert into run_lookups (hash, seq, step)
       select hash, seq, null from unnest($1::bigint[], $2::bigint[]) as lookups (hash, seq)
       on conflict do nothing`,
      [
        arrayOf(asked.map(({ requestor }) => lookupHash('requestor', fromStored(requestor)))),
        arrayOf(asked.map(({ seq }) => seq)),
      ],
    );
    last = found.rows.at(-1)?.seq;
  }
};

// In order, never edited and never reordered: what changes a table is a new entry.

export const ROOT_MIGRATIONS: readonly Migration<ClientBase>[] = [{ name: 'sets-and-leaders', up: root }];
export const SET_MIGRATIONS: readonly Migration<ClientBase>[] = [
  { name: 'run-list', up: runList },
  { name: 'step-list', up: stepList },
  { name: 'last-seq', up: lastSeq },
  { name: 'requestors', up: requestors },
];
