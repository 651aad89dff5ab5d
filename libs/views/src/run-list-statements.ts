import type { CompiledQuery, Expression, Kysely, RawBuilder, SelectQueryBuilder, SqlBool } from 'kysely';
import { sql } from 'kysely';
import type { RunsTable, ViewsSchema } from './run-list-tables.js';
import { BUCKET_RUNS, lookupHash, stepHashOf, tagHash, versionHash } from './run-lookups.js';
import type { RunListQuery } from './view-store.js';

/** Places of runs that may be in a page, both ends included. */
export type SeqRange = { readonly min: number; readonly max: number };

/** What the databases say differently. */
export type ListDialect = {
  /** The column in a condition by which no index is to be chosen. */
  readonly aside: (column: string) => RawBuilder<unknown>;
  /** The place of a run as the indexes by a filter have it. */
  readonly indexedPlace: RawBuilder<number>;
  /** The place of a step as the indexes by a filter have it. */
  readonly indexedStep: RawBuilder<number>;
  /** The status of a step as the index by nothing else has it. */
  readonly onlyStatus: RawBuilder<string>;
  /** Whether a run has the tag. */
  readonly hasTag: (name: string, value: string) => Expression<SqlBool>;
  /** Whether the run sends this idempotency key for the step of the lookup. */
  readonly sends: (stepKey: string) => Expression<SqlBool>;
};

type RunsQuery = SelectQueryBuilder<ViewsSchema, 'runs', RunsTable>;

/** How a page is read. */
export type RunListPlan =
  /** By statements whose rows are merged: each gives its first rows in order. */
  | { readonly by: 'index'; readonly queries: readonly RunsQuery[] }
  /** By one that finds lookups with this hash. */
  | { readonly by: 'lookup'; readonly hash: number }
  | { readonly by: 'nothing' };

/**
 * Reads in the order of `seq`, without sorting, at most `rows`. The filter that is likely to leave the fewest runs picks
 * the index; the others are put aside.
 */
export const runListPlan = (
  db: Kysely<ViewsSchema>,
  dialect: ListDialect,
  query: RunListQuery,
  { range, rows }: { readonly range: SeqRange; readonly rows: number },
): RunListPlan => {
  if (range.min > range.max) return { by: 'nothing' };
  const hash = lookupOf(query);
  if (hash === 'no such key') return { by: 'nothing' };
  if (hash !== null) return { by: 'lookup', hash };
  const index = indexOf(query);
  const place = index === null ? sql.ref<number>('seq') : dialect.indexedPlace;
  const one = (...conditions: Expression<SqlBool>[]): RunsQuery =>
    db
      .selectFrom('runs')
      .selectAll()
      .where(place, '>=', range.min)
      .where(place, '<=', range.max)
      .where((eb) => eb.and([...conditions, ...residual(dialect, query, index)]))
      .orderBy(place, query.order)
      .limit(rows);
  switch (index) {
    // runs_by_status, once for each status: `in` would sort all of them.
    case 'status':
      return { by: 'index', queries: statusesOf(query).map((status) => one(sql`status = ${status}`)) };
    case 'workflow': // runs_by_workflow
      return { by: 'index', queries: [one(sql`workflow = ${query.workflow}`)] };
    case 'unresolved': // runs_unresolved, partial: its condition must stand in the text
      return { by: 'index', queries: [one(sql`resolved = 0`)] };
    case 'queue': // runs_by_queue
      return { by: 'index', queries: [one(sql`queue = ${query.queue}`)] };
    case 'namespace': // runs_by_namespace
      return { by: 'index', queries: [one(sql`namespace = ${query.namespace}`)] };
    case null: // the rows themselves
      return { by: 'index', queries: [one()] };
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
  // One service may ask for nearly all runs, so that the others come first.
  if (query.requestor !== undefined) return lookupHash('requestor', query.requestor);
  const { workflow, version } = query;
  return workflow !== undefined && version !== undefined ? versionHash(workflow, String(version)) : null;
};

/** Primary key of run_lookups, then of runs. The cross join tells SQLite this order. `place` narrows it further, first. */
export const lookupQuery = (
  db: Kysely<ViewsSchema>,
  dialect: ListDialect,
  query: RunListQuery,
  { range, rows, hash, place }: { range: SeqRange; rows: number; hash: number; place: Expression<SqlBool>[] },
): SelectQueryBuilder<ViewsSchema, 'run_lookups' | 'runs', RunsTable> =>
  db
    .selectFrom('run_lookups')
    .crossJoin('runs')
    .selectAll('runs')
    .where((eb) => eb.and(place))
    .where('run_lookups.hash', '=', hash)
    .where('run_lookups.seq', '>=', range.min)
    .where('run_lookups.seq', '<=', range.max)
    .whereRef('runs.seq', '=', 'run_lookups.seq')
    .where((eb) => eb.and(residual(dialect, query, null)))
    .orderBy('run_lookups.seq', query.order)
    .limit(rows);

const residual = (dialect: ListDialect, query: RunListQuery, index: Index): Expression<SqlBool>[] => {
  const { aside } = dialect;
  const conditions: Expression<SqlBool>[] = [];
  const add = (condition: Expression<SqlBool>): void => void conditions.push(condition);
  const statuses = statusesOf(query);
  if (statuses.length > 0 && index !== 'status') add(sql`${aside('status')} in (${sql.join(statuses)})`);
  if (query.workflow !== undefined && index !== 'workflow') add(sql`${aside('workflow')} = ${query.workflow}`);
  if (query.version !== undefined) add(sql`version = ${String(query.version)}`);
  if (query.namespace !== undefined && index !== 'namespace') add(sql`${aside('namespace')} = ${query.namespace}`);
  if (query.queue !== undefined && index !== 'queue') add(sql`${aside('queue')} = ${query.queue}`);
  if (query.resolved !== undefined && index !== 'unresolved')
    add(sql`${aside('resolved')} = ${query.resolved ? 1 : 0}`);
  if (query.key !== undefined) add(sql`runs.key = ${query.key}`);
  if (query.correlationId !== undefined) add(sql`correlation_id = ${query.correlationId}`);
  if (query.requestor !== undefined) add(sql`requestor = ${query.requestor}`);
  if (query.from !== undefined) add(sql`created_at >= ${query.from}`);
  if (query.to !== undefined) add(sql`created_at < ${query.to}`);
  if (query.aliveSince !== undefined) add(sql`(finished_at is null or finished_at >= ${query.aliveSince})`);
  for (const { name, value } of query.tags ?? []) add(dialect.hasTag(name, value));
  if (query.stepKey !== undefined) add(dialect.sends(query.stepKey));
  return conditions;
};

type Buckets = { readonly first: number | null; readonly last: number | null };

/** Buckets whose runs may have been created in the time asked for; `undefined` when no time is. */
export const createdBuckets = (
  db: Kysely<ViewsSchema>,
  { from, to }: RunListQuery,
): { compile(): CompiledQuery<Buckets> } | undefined => {
  if (from === undefined && to === undefined) return undefined;
  return db
    .selectFrom('run_buckets')
    .select((eb) => [eb.fn.min('bucket').as('first'), eb.fn.max('bucket').as('last')])
    .$if(from !== undefined, (select) => select.where('created_max', '>=', from!))
    .$if(to !== undefined, (select) => select.where('created_min', '<', to!));
};

/** Of those places the ones in these buckets. */
export const seqsWithin = ({ min, max }: SeqRange, { first, last }: Buckets): SeqRange =>
  first === null || last === null
    ? { min: 1, max: 0 }
    : { min: Math.max(min, first * BUCKET_RUNS), max: Math.min(max, (last + 1) * BUCKET_RUNS - 1) };

const unreachable = (index: never): never => {
  throw new Error(`no statement for ${String(index)}`);
};
