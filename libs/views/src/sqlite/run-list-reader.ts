import type Database from 'better-sqlite3';
import type { CompiledQuery, Kysely } from 'kysely';
import { sql } from 'kysely';
import type { Position } from '#event-store';
import { stepIdempotencyKey } from '#runtime';
import { pageOf, rangeAfterCursor, rowsAskedFor } from '../run-list-page.js';
import type { ListDialect, SeqRange } from '../run-list-statements.js';
import { createdBuckets, lookupQuery, runListPlan, seqsWithin } from '../run-list-statements.js';
import type { RunsTable, ViewsSchema } from '../run-list-tables.js';
import { bucketOf } from '../run-lookups.js';
import { lookInRuns, stepListPlan, stepPage } from '../step-list-statements.js';
import type { RunListPage, RunListQuery, StepListAnswer, StepListQuery } from '../view-store.js';

/** Function of the database: (run id, step key) → the idempotency key. */
export const STEP_IDEMPOTENCY_KEY = 'step_idempotency_key';

/** `+column` is no column to the planner. */
export const SQLITE_LISTS: ListDialect = {
  aside: (column) => sql`+${sql.ref(column)}`,
  indexedPlace: sql.ref('seq'),
  indexedStep: sql.ref('place'),
  onlyStatus: sql`(status || '')`,
  hasTag: (name, value) =>
    sql`exists (select 1 from json_each(runs.tags) as tag where tag.key = ${name} and tag.value = ${value})`,
  sends: (stepKey) => sql`${sql.raw(STEP_IDEMPOTENCY_KEY)}(runs.run_id, run_lookups.step) = ${stepKey}`,
};

/** Answers lists of runs and of steps from one set of views. */
export class RunListReader {
  readonly #database: Database.Database;
  readonly #db: Kysely<ViewsSchema>;

  constructor(database: Database.Database, db: Kysely<ViewsSchema>) {
    this.#database = database;
    this.#db = db;
    database.function(STEP_IDEMPOTENCY_KEY, { deterministic: true }, (runId, step) =>
      // Both are text in the schema; a lookup of another kind has no step.
      step === null ? null : stepIdempotencyKey(String(runId), String(step)),
    );
  }

  list(query: RunListQuery, lastSeq: number, position: Position): RunListPage {
    const places = rangeAfterCursor(query, lastSeq);
    return places === null ? { status: 'bad-cursor' } : { ...pageOf(query, this.#within(query, places)), position };
  }

  steps(query: StepListQuery, lastSeq: number, position: Position): StepListAnswer {
    const plan = stepListPlan(this.#db, SQLITE_LISTS, query, lastSeq);
    switch (plan.by) {
      case 'cursor of another list':
        return { status: 'bad-cursor' };
      case 'index': {
        const found = plan.queries.flatMap((one) => this.#all(one.compile()));
        const sign = query.order === 'asc' ? 1 : -1;
        return stepPage(query, found.sort((a, b) => (a.place - b.place) * sign).slice(0, plan.rows), position);
      }
      case 'runs':
        return lookInRuns(this.#within(plan.query, plan.seqs), plan.places, position);
      default:
        return plan;
    }
  }

  #within(query: RunListQuery, places: SeqRange): readonly RunsTable[] {
    const created = createdBuckets(this.#db, query)?.compile();
    const range = created === undefined ? places : seqsWithin(places, this.#all(created)[0]!);
    return this.#rows(query, range, rowsAskedFor(query));
  }

  #rows(query: RunListQuery, range: SeqRange, rows: number): readonly RunsTable[] {
    const plan = runListPlan(this.#db, SQLITE_LISTS, query, { range, rows });
    switch (plan.by) {
      case 'nothing':
        return [];
      case 'index': {
        const found = plan.queries.flatMap((one) => this.#all(one.compile()));
        const sign = query.order === 'asc' ? 1 : -1;
        return found.sort((a, b) => (a.seq - b.seq) * sign).slice(0, rows);
      }
      case 'lookup': {
        const statement = bucketStatement(this.#db, query, { range, rows, hash: plan.hash });
        const prepared = this.#database.prepare(statement.sql);
        const found: RunsTable[] = [];
        for (const bucket of bucketsOf(range, query.order)) {
          // The columns that the statement names.
          found.push(...(prepared.all(...inBucket(statement, bucket)) as RunsTable[]));
          if (found.length >= rows) break;
        }
        return found.slice(0, rows);
      }
      default:
        return plan;
    }
  }

  #all<Row>({ sql: text, parameters }: CompiledQuery<Row>): Row[] {
    // Kysely knows the columns that it has asked for.
    return this.#database.prepare(text).all(...parameters) as Row[];
  }
}

const BUCKET_PARAMETER = 0;

/** Runs in one bucket, which is the first parameter. */
export const bucketStatement = (
  db: Kysely<ViewsSchema>,
  query: RunListQuery,
  asked: { readonly range: SeqRange; readonly rows: number; readonly hash: number },
): CompiledQuery<RunsTable> =>
  lookupQuery(db, SQLITE_LISTS, query, { ...asked, place: [sql`run_lookups.bucket = ${0}`] }).compile();

const inBucket = (statement: CompiledQuery, bucket: number): readonly unknown[] =>
  statement.parameters.with(BUCKET_PARAMETER, bucket);

const bucketsOf = ({ min, max }: SeqRange, order: RunListQuery['order']): readonly number[] => {
  const buckets: number[] = [];
  for (let bucket = bucketOf(min); bucket <= bucketOf(max); bucket++) buckets.push(bucket);
  return order === 'asc' ? buckets : buckets.reverse();
};
