import type Database from 'better-sqlite3';

/** Inserts rows many at a time, and what is left over one by one. */
export class ManyRows {
  readonly #size: number;
  readonly #many: Database.Statement;
  readonly #one: Database.Statement;

  constructor(size: number, prepare: (rows: number) => Database.Statement) {
    this.#size = size;
    this.#many = prepare(size);
    this.#one = prepare(1);
  }

  run<Row>(rows: readonly Row[], bind: (row: Row, values: unknown[]) => void): void {
    let from = 0;
    for (; from + this.#size <= rows.length; from += this.#size) {
      const values: unknown[] = [];
      for (let index = from; index < from + this.#size; index++) bind(rows[index]!, values);
      this.#many.run(values);
    }
    for (; from < rows.length; from++) {
      const values: unknown[] = [];
      bind(rows[from]!, values);
      this.#one.run(values);
    }
  }
}
