import type { CompiledQuery, Expression, Kysely, SelectQueryBuilder, SqlBool } from 'kysely';
import { sql } from 'kysely';
import type { StepStatus } from '#domain';
import { encodeCursor } from './run-list-cursor.js';
import { rangeAfterCursor } from './run-list-page.js';
import type { ListDialect, SeqRange } from './run-list-statements.js';
import type { RunsTable, StepsTable, ViewsSchema } from './run-list-tables.js';
import { PLACES_A_RUN, seqOfStep, stepItemText } from './step-list-rows.js';
import type { RunListQuery, StepListAnswer, StepListPage, StepListQuery } from './view-store.js';

/** So many streams are read for a page at most. */
export const RUNS_LOOKED_IN_MAX = 100;

type StepsQuery = SelectQueryBuilder<ViewsSchema, 'steps', StepsTable>;

/** How a page is read. */
export type StepListPlan =
  | { readonly by: 'cursor of another list' }
  /** By statements whose rows are merged: each gives its first rows in order, one more than the page has. */
  | { readonly by: 'index'; readonly queries: readonly StepsQuery[]; readonly rows: number }
  /** Out of the streams of these runs, since completed steps are asked for, and those have no rows. */
  | {
      readonly by: 'runs';
      readonly query: RunListQuery;
      readonly seqs: SeqRange;
      readonly places: SeqRange;
    };

export const stepListPlan = (
  db: Kysely<ViewsSchema>,
  dialect: ListDialect,
  query: StepListQuery,
  lastSeq: number,
): StepListPlan => {
  const places = rangeAfterCursor(query, Math.min(Number.MAX_SAFE_INTEGER, (lastSeq + 1) * PLACES_A_RUN - 1));
  if (places === null) return { by: 'cursor of another list' };
  const statuses = new Set(query.statuses);
  if (statuses.size === 0 || statuses.has('completed')) {
    const seqs = { min: seqOfStep(places.min), max: seqOfStep(places.max) };
    return { by: 'runs', query: runsToLookIn(query), seqs, places };
  }
  const rows = query.limit + 1;
  const queries = [...statuses].map((status) => statement(db, dialect, query, { status, places, rows }));
  return { by: 'index', queries, rows };
};

/** Steps of one status, in order. Another status is another statement: `in` would sort all of them. */
const statement = (
  db: Kysely<ViewsSchema>,
  dialect: ListDialect,
  query: StepListQuery,
  { status, places, rows }: { readonly status: StepStatus; readonly places: SeqRange; readonly rows: number },
): StepsQuery => {
  const { aside, indexedStep, onlyStatus } = dialect;
  const narrower = query.target !== undefined || query.workflow !== undefined;
  const conditions: Expression<SqlBool>[] = [sql`${narrower ? sql.ref('status') : onlyStatus} = ${status}`];
  const add = (condition: Expression<SqlBool>): void => void conditions.push(condition);
  // steps_by_target, else steps_by_workflow, else steps_by_status: an origin is the narrower of the two in an outage.
  if (query.target !== undefined) add(sql`target = ${query.target}`);
  const workflow = query.target === undefined ? sql.ref('workflow') : aside('workflow');
  if (query.workflow !== undefined) add(sql`${workflow} = ${query.workflow}`);
  if (query.version !== undefined) add(sql`version = ${String(query.version)}`);
  if (query.namespace !== undefined) add(sql`namespace = ${query.namespace}`);
  if (query.queue !== undefined) add(sql`queue = ${query.queue}`);
  if (query.type !== undefined) add(sql`type = ${query.type}`);
  if (query.from !== undefined) add(sql`entered_at >= ${query.from}`);
  if (query.to !== undefined) add(sql`entered_at < ${query.to}`);
  return db
    .selectFrom('steps')
    .selectAll()
    .where((eb) => eb.and(conditions))
    .where(indexedStep, '>=', places.min)
    .where(indexedStep, '<=', places.max)
    .orderBy(indexedStep, query.order)
    .limit(rows);
};

/** No step is entered before its run is created, nor after it has ended. */
const runsToLookIn = ({ workflow, version, namespace, queue, from, to, order }: StepListQuery): RunListQuery => ({
  ...(workflow !== undefined && { workflow }),
  ...(version !== undefined && { version }),
  ...(namespace !== undefined && { namespace }),
  ...(queue !== undefined && { queue }),
  ...(from !== undefined && { aliveSince: from }),
  ...(to !== undefined && { to }),
  order,
  limit: RUNS_LOOKED_IN_MAX,
});

/** All statements of an index plan as one, so that all its rows are of one moment. */
export const mergedSteps = (
  db: Kysely<ViewsSchema>,
  { queries, rows }: Extract<StepListPlan, { by: 'index' }>,
  order: StepListQuery['order'],
): CompiledQuery<StepsTable> => {
  const [only] = queries;
  if (queries.length === 1) return only!.compile();
  const parts = sql.join<Expression<unknown>>([...queries], sql` union all `);
  return sql<StepsTable>`select * from (${parts}) as parts order by place ${sql.raw(order)} limit ${rows}`.compile(db);
};

type Page = Extract<StepListPage, { status: 'page' }>;

/** The page of one row more than it has, or of fewer rows. */
export const stepPage = (query: StepListQuery, rows: readonly StepsTable[], position: Page['position']): Page => {
  const items = rows.slice(0, query.limit);
  const last = rows.length > query.limit ? items.at(-1) : undefined;
  return {
    status: 'page',
    items: `[${items.map(stepItemText).join(',')}]`,
    nextCursor: last === undefined ? null : encodeCursor(query, last.place),
    position,
  };
};

/** Of one row more than are to be looked into, or fewer. */
export const lookInRuns = (
  rows: readonly RunsTable[],
  places: SeqRange,
  position: Page['position'],
): Extract<StepListAnswer, { status: 'in-runs' }> => ({
  status: 'in-runs',
  runs: rows.slice(0, RUNS_LOOKED_IN_MAX).map(({ seq, run_id: runId, revision }) => ({ seq, runId, revision })),
  more: rows.length > RUNS_LOOKED_IN_MAX,
  places,
  position,
});
