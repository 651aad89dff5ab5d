import type Database from 'better-sqlite3';
import type { Kysely } from 'kysely';
import { sql } from 'kysely';
import type { RunListChanges, RunRow } from '../run-list-projection.js';
import { RUN_COLUMNS, bindRun, bucketTimes, lookupsOf, parkedStream, runRow } from '../run-list-rows.js';
import type { ParkedStreamsTable, RunLookupsTable, RunsTable, ViewsSchema } from '../run-list-tables.js';
import { bucketOf, lookupHash } from '../run-lookups.js';
import type { ParkedStream } from '../view-store.js';
import { ManyRows } from './many-rows.js';

/** Rows an insert: fewer calls (30 % of the time of single inserts), few enough for the statement to stay small. */
const RUNS_AN_INSERT = 8;
const LOOKUPS_AN_INSERT = 64;

/** Writes changes of the run list inside the caller's transaction, and reads the rows that a batch goes on from. */
export class RunListWriter {
  readonly #insertRuns: ManyRows;
  readonly #insertLookups: ManyRows;
  readonly #updateRun: Database.Statement;
  readonly #bucketTimes: Database.Statement;
  readonly #park: Database.Statement;
  readonly #openRun: Database.Statement;
  readonly #endedRun: Database.Statement;
  readonly #lastSeq: Database.Statement;
  readonly #parked: Database.Statement;

  constructor(database: Database.Database, db: Kysely<ViewsSchema>) {
    const prepare = (query: { compile(): { sql: string } }): Database.Statement =>
      database.prepare(query.compile().sql);
    this.#insertRuns = new ManyRows(RUNS_AN_INSERT, (rows) =>
      prepare(db.insertInto('runs').values(Array<RunsTable>(rows).fill(RUN_COLUMNS))),
    );
    this.#insertLookups = new ManyRows(LOOKUPS_AN_INSERT, (rows) =>
      prepare(
        db
          .insertInto('run_lookups')
          .values(Array<RunLookupsTable>(rows).fill({ bucket: 0, hash: 0, seq: 0, step: null }))
          // A run may have two tags of one hash, or a step twice.
          .onConflict((conflict) => conflict.doNothing()),
      ),
    );
    this.#updateRun = prepare(
      db
        .updateTable('runs')
        .set({ status: '', reason: '', error_name: '', error_cause: '', finished_at: '', resolved: 0, revision: 0 })
        .where('seq', '=', 0),
    );
    this.#bucketTimes = prepare(
      db
        .insertInto('run_buckets')
        .values({ bucket: 0, created_min: '', created_max: '' })
        .onConflict((conflict) =>
          conflict.column('bucket').doUpdateSet((eb) => ({
            created_min: eb.fn('min', ['run_buckets.created_min', 'excluded.created_min']),
            created_max: eb.fn('max', ['run_buckets.created_max', 'excluded.created_max']),
          })),
        ),
    );
    this.#park = prepare(
      db
        .insertInto('parked_streams')
        .values({ stream: '', position: 0, revision: 0, event_type: '', error: '', skipped: 0 })
        .onConflict((conflict) =>
          conflict.column('stream').doUpdateSet((eb) => ({ skipped: eb.ref('excluded.skipped') })),
        ),
    );
    // Index runs_open_by_run_id, which is partial: the status must stand in the text.
    this.#openRun = prepare(
      db
        .selectFrom('runs')
        .selectAll()
        .where('run_id', '=', '')
        .where(sql<boolean>`status = 'running'`),
    );
    // Primary key of run_lookups.
    this.#endedRun = prepare(
      db
        .selectFrom('run_lookups')
        .innerJoin('runs', 'runs.seq', 'run_lookups.seq')
        .selectAll('runs')
        .where('bucket', '=', 0)
        .where('hash', '=', 0)
        .where('run_id', '=', ''),
    );
    this.#lastSeq = prepare(db.selectFrom('runs').select((eb) => eb.fn.max('seq').as('seq')));
    this.#parked = prepare(db.selectFrom('parked_streams').selectAll());
  }

  lastSeq(): number {
    return (this.#lastSeq.get() as { seq: number | null }).seq ?? 0;
  }

  parked(): Map<string, ParkedStream> {
    const rows = this.#parked.all() as ParkedStreamsTable[];
    return new Map(rows.map((row) => [row.stream, parkedStream(row)]));
  }

  /** The rows of those runs that are in the list. */
  rows(runIds: Iterable<string>, lastSeq: number): Map<string, RunRow> {
    const rows = new Map<string, RunRow>();
    for (const runId of runIds) {
      const row = (this.#openRun.get(runId) ?? this.#findEnded(runId, lastSeq)) as RunsTable | undefined;
      if (row !== undefined) rows.set(runId, runRow(row));
    }
    return rows;
  }

  /** Few events come after the end of a run, most of them soon. */
  #findEnded(runId: string, lastSeq: number): unknown {
    const hash = lookupHash('run-id', runId);
    for (let bucket = bucketOf(lastSeq); bucket >= 0; bucket--) {
      const row = this.#endedRun.get(bucket, hash, runId);
      if (row !== undefined) return row;
    }
    return undefined;
  }

  write(changes: RunListChanges): void {
    this.#insertRuns.run(changes.inserted, bindRun);
    for (const row of changes.updated) {
      this.#updateRun.run(
        row.status,
        row.reason,
        row.error?.name ?? null,
        row.error?.cause ?? null,
        row.finishedAt,
        row.resolved ? 1 : 0,
        row.revision,
        row.seq,
      );
    }
    this.#insertLookups.run(lookupsOf(changes, true), bindLookup);
    for (const { bucket, created_min, created_max } of bucketTimes(changes.inserted)) {
      this.#bucketTimes.run(bucket, created_min, created_max);
    }
    for (const { stream, position, revision, eventType, error, skipped } of changes.parked) {
      this.#park.run(stream, position, revision, eventType, error, skipped);
    }
  }
}

const bindLookup = ({ bucket, hash, seq, step }: RunLookupsTable, values: unknown[]): void => {
  values.push(bucket, hash, seq, step);
};
