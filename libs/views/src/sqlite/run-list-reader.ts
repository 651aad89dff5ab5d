import type Database from 'better-sqlite3';
import type { CompiledQuery, Kysely } from 'kysely';
import type { Position } from '#event-store';
import { stepIdempotencyKey } from '#runtime';
import { decodeCursor, encodeCursor } from '../run-list-cursor.js';
import type { RunListPage, RunListQuery } from '../view-store.js';
import type { SeqRange } from './run-list-statements.js';
import { STEP_IDEMPOTENCY_KEY, createdBuckets, inBucket, runListStatements, seqsOf } from './run-list-statements.js';
import type { RunsTable, ViewsSchema } from './views-schema.js';

/** Answers lists of runs from one set of views. */
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
    const place = query.cursor === undefined ? null : decodeCursor(query, query.cursor);
    if (query.cursor !== undefined && place === null) return { status: 'bad-cursor' };
    // One more than asked for tells whether there is a next page.
    const rows = this.#rows(query, this.#range(query, place, lastSeq), query.limit + 1);
    const items = rows.slice(0, query.limit);
    const last = rows.length > query.limit ? items.at(-1) : undefined;
    return {
      status: 'page',
      items: `[${items.map(itemText).join(',')}]`,
      nextCursor: last === undefined ? null : encodeCursor(query, last.seq),
      position,
    };
  }

  #range(query: RunListQuery, place: number | null, lastSeq: number): SeqRange {
    let min = 1;
    let max = lastSeq;
    if (place !== null && query.order === 'asc') min = place + 1;
    if (place !== null && query.order === 'desc') max = Math.min(max, place - 1);
    if (query.from === undefined && query.to === undefined) return { min, max };
    const created = this.#all(createdBuckets(this.#db, query))[0]!;
    if (created.first === null || created.last === null) return { min: 1, max: 0 };
    const seqs = seqsOf(created.first, created.last);
    return { min: Math.max(min, seqs.min), max: Math.min(max, seqs.max) };
  }

  #rows(query: RunListQuery, range: SeqRange, count: number): RunsTable[] {
    const plan = runListStatements(this.#db, query, range, count);
    switch (plan.by) {
      case 'nothing':
        return [];
      case 'index': {
        const rows = plan.statements.flatMap((statement) => this.#all(statement));
        const sign = query.order === 'asc' ? 1 : -1;
        return rows.sort((a, b) => (a.seq - b.seq) * sign).slice(0, count);
      }
      case 'buckets': {
        const statement = this.#database.prepare(plan.statement.sql);
        const rows: RunsTable[] = [];
        for (const bucket of plan.buckets) {
          // The columns that the statement names.
          rows.push(...(statement.all(...inBucket(plan.statement, bucket)) as RunsTable[]));
          if (rows.length >= count) break;
        }
        return rows.slice(0, count);
      }
      default:
        return plan;
    }
  }

  #all<Row>({ sql, parameters }: CompiledQuery<Row>): Row[] {
    // Kysely knows the columns that it has asked for.
    return this.#database.prepare(sql).all(...parameters) as Row[];
  }
}

/** A row as the JSON text of a `RunListItem`; the tags are JSON already. */
const itemText = (row: RunsTable): string =>
  `{"id":${text(row.id)},"key":${text(row.key)},"workflow":${text(row.workflow)},` +
  `"version":${row.version === 'draft' ? '"draft"' : row.version},` +
  `"namespace":${text(row.namespace)},"queue":${text(row.queue)},"tags":${row.tags},` +
  `"correlationId":${text(row.correlation_id)},"requestor":${text(row.requestor)},` +
  `"status":${text(row.status)},"reason":${text(row.reason)},` +
  `"error":${row.error_name === null ? null : `{"name":${text(row.error_name)},"cause":${text(row.error_cause)}}`},` +
  `"createdAt":${text(row.created_at)},"finishedAt":${text(row.finished_at)},` +
  `"resolved":${row.resolved === 1},"parent":null,"revision":${row.revision}}`;

const text = (value: string | null): string => JSON.stringify(value);
