import type { ClientBase } from 'pg';
import type { StepsTable } from '../run-list-tables.js';
import type { StepListChanges } from '../step-list-projection.js';
import { PLACES_A_RUN, STEP_COLUMNS, STEP_STATE } from '../step-list-rows.js';
import { restored } from './run-list-writer.js';
import { arrayOf } from './stored-text.js';

type Column = keyof StepsTable;
// The names are the objects' own.
const COLUMNS = Object.keys(STEP_COLUMNS) as readonly Column[];
const STATE = Object.keys(STEP_STATE) as readonly Column[];
const PLACE_AND_STATE: readonly Column[] = ['place', ...STATE];

/** Writes changes of the list of steps inside the caller's transaction: a statement a kind of change. */
export class StepListWriter {
  readonly #client: ClientBase;
  readonly #steps: string;

  constructor(client: ClientBase, set: string) {
    this.#client = client;
    this.#steps = `${set}.steps`;
  }

  /** The rows of these runs. Primary key, once for each of them. */
  async rows(seqs: readonly number[]): Promise<StepsTable[]> {
    if (seqs.length === 0) return [];
    const { rows } = await this.#client.query<StepsTable>(
      `select found.* from unnest($1::bigint[]) as first (place),
       lateral (select * from ${this.#steps} as s
         where s.place >= first.place and s.place < first.place + ${PLACES_A_RUN} offset 0) as found`,
      [arrayOf(seqs.map((seq) => seq * PLACES_A_RUN))],
    );
    return rows.map(restored);
  }

  async write({ inserted, updated, removed }: StepListChanges): Promise<void> {
    // Primary key.
    if (removed.length > 0)
      await this.#client.query(`delete from ${this.#steps} where place = any($1::bigint[])`, [arrayOf(removed)]);
    if (inserted.length > 0)
      await this.#client.query(
        `insert into ${this.#steps} (${COLUMNS.join(', ')}) select * from ${unnested(COLUMNS)}`,
        valuesOf(inserted, COLUMNS),
      );
    // Primary key.
    if (updated.length > 0)
      await this.#client.query(
        `update ${this.#steps} as s set ${STATE.map((column) => `${column} = c.${column}`).join(', ')}
         from ${unnested(PLACE_AND_STATE)} as c (${PLACE_AND_STATE.join(', ')}) where s.place = c.place`,
        valuesOf(updated, PLACE_AND_STATE),
      );
  }
}

const TYPES: Partial<Record<Column, string>> = { place: 'bigint', attempts: 'integer' };

const unnested = (columns: readonly Column[]): string =>
  `unnest(${columns.map((column, index) => `$${index + 1}::${TYPES[column] ?? 'text'}[]`).join(', ')})`;

const valuesOf = (rows: readonly StepsTable[], columns: readonly Column[]): string[] =>
  columns.map((column) => arrayOf(rows.map((row) => row[column])));
