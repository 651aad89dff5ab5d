import type { CompiledQuery, Expression, Kysely, SqlBool } from 'kysely';
import { sql } from 'kysely';
import type { RunListQuery } from '../view-store.js';
import { BUCKET_RUNS, bucketOf, lookupHash, stepHashOf, tagHash, versionHash } from './run-lookups.js';
import type { RunsTable, ViewsSchema } from './views-schema.js';

/** Places of runs that may be in a page, both ends included. */
export type SeqRange = { readonly min: number; readonly max: number };

/** How a page is read: by statements whose rows are merged, or by one that is run bucket by bucket. */
export type RunListStatements =
  | { readonly by: 'index'; readonly statements: readonly CompiledQuery<RunsTable>[] }
  /** The bucket is the first parameter. */
  | { readonly by: 'buckets'; readonly statement: CompiledQuery<RunsTable>; readonly buckets: readonly number[] }
  | { readonly by: 'nothing' };

/** Function of the database: (run id, step key) → the idempotency key. */
export const STEP_IDEMPOTENCY_KEY = 'step_idempotency_key';
const BUCKET_PARAMETER = 0;

/**
 * Reads in the order of `seq`, without sorting, at most `rows`. The filter that is likely to leave the fewest runs picks
 * the index; the others are written `+column`, which keeps SQLite from choosing by them.
 */
export const runListStatements = (
  db: Kysely<ViewsSchema>,
  query: RunListQuery,
  range: SeqRange,
  rows: number,
): RunListStatements => {
  if (range.min > range.max) return { by: 'nothing' };
  const hash = lookupOf(query);
  if (hash === 'no such key') return { by: 'nothing' };
  if (hash !== null) return byBuckets(db, query, range, rows, hash);
  const index = indexOf(query);
  const one = (...conditions: Expression<SqlBool>[]): CompiledQuery<RunsTable> =>
    db
      .selectFrom('runs')
      .selectAll()
      .where('seq', '>=', range.min)
      .where('seq', '<=', range.max)

      .where((eb) => eb.and([...conditions, ...residual(query, index)]))
      .orderBy('seq', query.order)
      .limit(rows)
      .compile();
  switch (index) {
    // runs_by_status, once for each status: `in` would sort all of them.
    case 'status':
      return { by: 'index', statements: statusesOf(query).map((status) => one(sql`status = ${status}`)) };
    case 'workflow': // runs_by_workflow
      return { by: 'index', statements: [one(sql`workflow = ${query.workflow}`)] };
    case 'unresolved': // runs_unresolved, partial: its condition must stand in the text
      return { by: 'index', statements: [one(sql`resolved = 0`)] };
    case 'queue': // runs_by_queue
      return { by: 'index', statements: [one(sql`queue = ${query.queue}`)] };
    case 'namespace': // runs_by_namespace
      return { by: 'index', statements: [one(sql`namespace = ${query.namespace}`)] };
    case null: // the rows themselves
      return { by: 'index', statements: [one()] };
    default:
      return unreachable(index);
  }
};

type Index = 'status' | 'workflow' | 'unresolved' | 'queue' | 'namespace' | null;

const DEFAULT_LANE = 'default';

const indexOf = (query: RunListQuery): Index => {
  const statuses = statusesOf(query);
  // Nearly all runs of a healthy service have completed, so that every other status leaves few.
  if (statuses.length > 0 && !statuses.includes('completed')) return 'status';
  if (query.resolved === false) return 'unresolved';
  if (query.workflow !== undefined) return 'workflow';
  if (query.queue !== undefined && query.queue !== DEFAULT_LANE) return 'queue';
  if (query.namespace !== undefined && query.namespace !== DEFAULT_LANE) return 'namespace';
  if (statuses.length > 0) return 'status';
  if (query.queue !== undefined) return 'queue';
  return query.namespace === undefined ? null : 'namespace';
};

const statusesOf = (query: RunListQuery): readonly string[] => [...new Set(query.statuses ?? [])];

/** Hash of the filter that few runs share. */
const lookupOf = (query: RunListQuery): number | null | 'no such key' => {
  if (query.stepKey !== undefined) return stepHashOf(query.stepKey) ?? 'no such key';
  if (query.key !== undefined) return lookupHash('key', query.key);
  if (query.correlationId !== undefined) return lookupHash('correlation-id', query.correlationId);
  const tag = query.tags?.[0];
  if (tag !== undefined) return tagHash(tag.name, tag.value);
  const { workflow, version } = query;
  return workflow !== undefined && version !== undefined ? versionHash(workflow, String(version)) : null;
};

/** Primary key of run_lookups, then of runs. The cross join tells SQLite this order. */
const byBuckets = (
  db: Kysely<ViewsSchema>,
  query: RunListQuery,
  range: SeqRange,
  rows: number,
  hash: number,
): RunListStatements => {
  const buckets: number[] = [];
  for (let bucket = bucketOf(range.min); bucket <= bucketOf(range.max); bucket++) buckets.push(bucket);
  if (query.order === 'desc') buckets.reverse();
  const statement = db
    .selectFrom('run_lookups')
    .crossJoin('runs')
    .selectAll('runs')
    .where('run_lookups.bucket', '=', buckets[0]!)
    .where('run_lookups.hash', '=', hash)
    .where('run_lookups.seq', '>=', range.min)
    .where('run_lookups.seq', '<=', range.max)
    .whereRef('runs.seq', '=', 'run_lookups.seq')
    .where((eb) => eb.and(residual(query, null)))
    .orderBy('run_lookups.seq', query.order)
    .limit(rows)
    .compile();
  return { by: 'buckets', statement, buckets };
};

/** The parameters of a bucket statement for one bucket. */
export const inBucket = (statement: CompiledQuery, bucket: number): readonly unknown[] =>
  statement.parameters.with(BUCKET_PARAMETER, bucket);

const residual = (query: RunListQuery, index: Index): Expression<SqlBool>[] => {
  const conditions: Expression<SqlBool>[] = [];
  const add = (condition: Expression<SqlBool>): void => void conditions.push(condition);
  const statuses = statusesOf(query);
  if (statuses.length > 0 && index !== 'status') add(sql`+status in (${sql.join(statuses)})`);
  if (query.workflow !== undefined && index !== 'workflow') add(sql`+workflow = ${query.workflow}`);
  if (query.version !== undefined) add(sql`version = ${String(query.version)}`);
  if (query.namespace !== undefined && index !== 'namespace') add(sql`+namespace = ${query.namespace}`);
  if (query.queue !== undefined && index !== 'queue') add(sql`+queue = ${query.queue}`);
  if (query.resolved !== undefined && index !== 'unresolved') add(sql`+resolved = ${query.resolved ? 1 : 0}`);
  if (query.key !== undefined) add(sql`runs.key = ${query.key}`);
  if (query.correlationId !== undefined) add(sql`correlation_id = ${query.correlationId}`);
  if (query.from !== undefined) add(sql`created_at >= ${query.from}`);
  if (query.to !== undefined) add(sql`created_at < ${query.to}`);
  for (const { name, value } of query.tags ?? []) {
    add(sql`exists (select 1 from json_each(runs.tags) as tag where tag.key = ${name} and tag.value = ${value})`);
  }
  if (query.stepKey !== undefined) {
    add(sql`${sql.raw(STEP_IDEMPOTENCY_KEY)}(runs.run_id, run_lookups.step) = ${query.stepKey}`);
  }
  return conditions;
};

/** Buckets whose runs may have been created in the time asked for, as a range of places. */
export const createdBuckets = (
  db: Kysely<ViewsSchema>,
  query: RunListQuery,
): CompiledQuery<{ first: number | null; last: number | null }> =>
  db
    .selectFrom('run_buckets')
    .select((eb) => [eb.fn.min('bucket').as('first'), eb.fn.max('bucket').as('last')])
    .$if(query.from !== undefined, (select) => select.where('created_max', '>=', query.from!))
    .$if(query.to !== undefined, (select) => select.where('created_min', '<', query.to!))
    .compile();

/** The places in a range of buckets. */
export const seqsOf = (first: number, last: number): SeqRange => ({
  min: first * BUCKET_RUNS,
  max: (last + 1) * BUCKET_RUNS - 1,
});

const unreachable = (index: never): never => {
  throw new Error(`no statement for ${String(index)}`);
};
