import type { ClientBase } from 'pg';
import type { CompiledQuery, Expression, SqlBool } from 'kysely';
import { DummyDriver, Kysely, PostgresAdapter, PostgresIntrospector, PostgresQueryCompiler, sql } from 'kysely';
import type { Position } from '#event-store';
import { base32ToHex } from '#runtime';
import { pageOf, rangeAfterCursor, rowsAskedFor } from '../run-list-page.js';
import type { ListDialect, SeqRange } from '../run-list-statements.js';
import { createdBuckets, lookupQuery, runListPlan, seqsWithin } from '../run-list-statements.js';
import type { RunsTable, ViewsSchema } from '../run-list-tables.js';
import { lookInRuns, mergedSteps, stepListPlan, stepPage } from '../step-list-statements.js';
import type { RunListPage, RunListQuery, StepListAnswer, StepListQuery } from '../view-store.js';
import { restored } from './run-list-writer.js';
import { toStored } from './stored-text.js';

export const POSTGRES_LISTS: ListDialect = {
  aside: (column) => sql.ref(column),
  indexedPlace: sql`(seq + 0)`,
  indexedStep: sql`(place + 0)`,
  onlyStatus: sql.ref('status'),
  hasTag: (name, value) => {
    // The JSON functions refuse a zero character. In JSON text an unescaped quote stands only around names and values,
    // so that this finds a member and nothing else.
    const member = `${JSON.stringify(name)}:${JSON.stringify(value)}`;
    return sql<SqlBool>`(strpos(runs.tags, ${`{${member}`}) = 1 or strpos(runs.tags, ${`,${member}`}) > 0)`;
  },
  sends: (stepKey) =>
    sql<SqlBool>`encode(sha256(convert_to(runs.run_id || E'\\n' || run_lookups.step, 'UTF8')), 'hex') = ${base32ToHex(stepKey)}`,
};

/**
 * For connections that read lists: every list is in the order of an index, however old the planner's figures are. Without
 * them it would sort all runs of a workflow that it remembers as rare.
 */
export const LIST_SETTINGS = `set enable_seqscan = off; set enable_bitmapscan = off; set enable_sort = off`;

/** Builds statements about a set; nothing is run through it. */
export const statementsOn = (set: string): Kysely<ViewsSchema> => BUILDER.withSchema(set);

const BUILDER = new Kysely<ViewsSchema>({
  dialect: {
    createAdapter: () => new PostgresAdapter(),
    createDriver: () => new DummyDriver(),
    createIntrospector: (db) => new PostgresIntrospector(db),
    createQueryCompiler: () => new PostgresQueryCompiler(),
  },
});

/** A page of the runs in a set that stands at `position`, or further by now. */
export const listRuns = async (
  client: Pick<ClientBase, 'query'>,
  set: string,
  query: RunListQuery,
  position: Position,
): Promise<RunListPage> => {
  const places = rangeAfterCursor(query, Number.MAX_SAFE_INTEGER);
  if (places === null) return { status: 'bad-cursor' };
  return { ...pageOf(query, await rowsWithin(client, statementsOn(set), query, places)), position };
};

/** What a set that stands at `position`, or further by now, knows of a page of steps. */
export const listSteps = async (
  client: Pick<ClientBase, 'query'>,
  set: string,
  query: StepListQuery,
  position: Position,
): Promise<StepListAnswer> => {
  const db = statementsOn(set);
  const plan = stepListPlan(db, POSTGRES_LISTS, query, Number.MAX_SAFE_INTEGER);
  switch (plan.by) {
    case 'cursor of another list':
      return { status: 'bad-cursor' };
    case 'index': {
      const rows = await all(client, mergedSteps(db, plan, query.order));
      return stepPage(query, rows.map(restored), position);
    }
    case 'runs':
      return lookInRuns(await rowsWithin(client, db, plan.query, plan.seqs), plan.places, position);
    default:
      return plan;
  }
};

const rowsWithin = async (
  client: Pick<ClientBase, 'query'>,
  db: Kysely<ViewsSchema>,
  query: RunListQuery,
  places: SeqRange,
): Promise<readonly RunsTable[]> => {
  const created = createdBuckets(db, query)?.compile();
  const range = created === undefined ? places : seqsWithin(places, (await all(client, created))[0]!);
  const statement = runListStatement(db, query, range);
  return statement === null ? [] : (await all(client, statement)).map(restored);
};

/** One statement, so that all its rows are of one moment; `null` when there can be none. */
export const runListStatement = (
  db: Kysely<ViewsSchema>,
  query: RunListQuery,
  range: SeqRange,
): CompiledQuery<RunsTable> | null => {
  const rows = rowsAskedFor(query);
  const plan = runListPlan(db, POSTGRES_LISTS, query, { range, rows });
  switch (plan.by) {
    case 'nothing':
      return null;
    case 'index': {
      const [only] = plan.queries;
      if (plan.queries.length === 1) return only!.compile();
      // Each part reads its own rows in order from the index, and they are merged.
      const parts = sql.join<Expression<unknown>>([...plan.queries], sql` union all `);
      const order = sql.raw(query.order);
      return sql<RunsTable>`select * from (${parts}) as parts order by seq ${order} limit ${rows}`.compile(db);
    }
    case 'lookup': // primary key of run_lookups, then of runs
      return lookupQuery(db, POSTGRES_LISTS, query, { range, rows, hash: plan.hash, place: [] }).compile();
    default:
      return plan;
  }
};

const all = async <Row>(
  client: Pick<ClientBase, 'query'>,
  { sql: text, parameters }: CompiledQuery<Row>,
): Promise<Row[]> => {
  const values = parameters.map((value) => (typeof value === 'string' ? toStored(value) : value));
  const { rows } = await client.query(text, values);
  // Kysely knows the columns that it has asked for.
  return rows as Row[];
};
