import type Database from 'better-sqlite3';
import type { Kysely } from 'kysely';
import type { StepsTable, ViewsSchema } from '../run-list-tables.js';
import type { StepListChanges } from '../step-list-projection.js';
import { PLACES_A_RUN, STEP_COLUMNS, STEP_STATE, bindStep } from '../step-list-rows.js';
import { ManyRows } from './many-rows.js';

const STEPS_AN_INSERT = 8;

/** Writes changes of the list of steps inside the caller's transaction, and reads the rows that a batch goes on from. */
export class StepListWriter {
  readonly #insert: ManyRows;
  readonly #update: Database.Statement;
  readonly #remove: Database.Statement;
  readonly #ofRun: Database.Statement;

  constructor(database: Database.Database, db: Kysely<ViewsSchema>) {
    const prepare = (query: { compile(): { sql: string } }): Database.Statement =>
      database.prepare(query.compile().sql);
    this.#insert = new ManyRows(STEPS_AN_INSERT, (rows) =>
      prepare(db.insertInto('steps').values(Array<StepsTable>(rows).fill(STEP_COLUMNS))),
    );
    this.#update = prepare(db.updateTable('steps').set(STEP_STATE).where('place', '=', 0));
    this.#remove = prepare(db.deleteFrom('steps').where('place', '=', 0));
    // Primary key.
    this.#ofRun = prepare(db.selectFrom('steps').selectAll().where('place', '>=', 0).where('place', '<', 0));
  }

  /** The rows of these runs. */
  rows(seqs: readonly number[]): StepsTable[] {
    return seqs.flatMap((seq) => this.#ofRun.all(seq * PLACES_A_RUN, (seq + 1) * PLACES_A_RUN) as StepsTable[]);
  }

  write({ inserted, updated, removed }: StepListChanges): void {
    for (const place of removed) this.#remove.run(place);
    this.#insert.run(inserted, bindStep);
    for (const row of updated) {
      const { status, attempts, error_name, error_cause, started_at, finished_at, retry_at, place } = row;
      this.#update.run(status, attempts, error_name, error_cause, started_at, finished_at, retry_at, place);
    }
  }
}
