import Database from 'better-sqlite3';
import { Kysely, SqliteDialect } from 'kysely';
import type { Commit, Position } from '#event-store';
import { whyNotWritable } from '#runtime';
import { foldRunList, rowsNeeded } from '../run-list-projection.js';
import { foldStepList, stepsNeeded } from '../step-list-projection.js';
import type {
  Applied,
  Batch,
  ParkedStream,
  RunListPage,
  RunListQuery,
  StepListAnswer,
  StepListQuery,
} from '../view-store.js';
import { afterCheckpoint, afterCommit, afterRows, beforeRows } from '../view-failpoints.js';
import { PARKED_LIST_MAX } from '../view-store.js';
import { migrate } from './migrate.js';
import { RunListReader } from './run-list-reader.js';
import { RunListWriter } from './run-list-writer.js';
import { StepListWriter } from './step-list-writer.js';
import type { ViewsSchema } from '../run-list-tables.js';

const CACHE_KIB = 65_536;

/**
 * One set of views in a SQLite file of its own. Synchronous: it belongs on a thread of its own. After an error of
 * `apply` it must be closed; opened again it stands at its checkpoint.
 */
export class SqliteViews {
  readonly #database: Database.Database;
  readonly #writer: RunListWriter;
  readonly #stepWriter: StepListWriter;
  readonly #reader: RunListReader;
  readonly #begin: Database.Statement;
  readonly #commit: Database.Statement;
  readonly #readCheckpoint: Database.Statement;
  readonly #writeCheckpoint: Database.Statement;
  readonly #parked: Map<string, ParkedStream>;
  #checkpoint: Position;
  #lastSeq: number;

  private constructor(database: Database.Database, db: Kysely<ViewsSchema>) {
    this.#database = database;
    this.#writer = new RunListWriter(database, db);
    this.#stepWriter = new StepListWriter(database, db);
    this.#reader = new RunListReader(database, db);
    this.#begin = database.prepare('begin immediate');
    this.#commit = database.prepare('commit');
    this.#readCheckpoint = database.prepare('select position from checkpoint where one = 1');
    this.#writeCheckpoint = database.prepare(
      'update checkpoint set position = ?, last_seq = ? where one = 1 and position < ?',
    );
    this.#parked = this.#writer.parked();
    this.#lastSeq = this.#writer.lastSeq();
    this.#checkpoint = this.#storedCheckpoint();
  }

  /** Opens a set, or makes an empty one. Refuses one that a newer release has written (`ViewsTooNew`). */
  static async open(file: string): Promise<SqliteViews> {
    const database = openFile(file);
    try {
      // A lost tail is read from the log again, and the checkpoint is lost with its rows.
      database.pragma('synchronous = normal');
      database.pragma(`cache_size = -${CACHE_KIB}`);
      const db = new Kysely<ViewsSchema>({ dialect: new SqliteDialect({ database }) });
      await migrate(db);
      return new SqliteViews(database, db);
    } catch (error) {
      database.close();
      throw error;
    }
  }

  get checkpoint(): Position {
    return this.#checkpoint;
  }

  /** Rows and checkpoint together, or neither. What is at or below the checkpoint is left out. */
  apply({ after, through, commits }: Batch): Applied {
    if (after > this.#checkpoint) return { status: 'gap', checkpoint: this.#checkpoint };
    if (through > this.#checkpoint) this.#applyNew(commits, through);
    return { status: 'applied', checkpoint: this.#checkpoint };
  }

  #applyNew(commits: readonly Commit[], through: Position): void {
    const fresh = commits.filter(({ position }) => position > this.#checkpoint);
    const lastSeq = this.#lastSeq;
    const rows = this.#writer.rows(rowsNeeded(fresh), lastSeq);
    const changes = foldRunList({ rows, parked: this.#parked, lastSeq }, fresh);
    const before = this.#stepWriter.rows(stepsNeeded(changes.unsettled));
    const steps = foldStepList(changes.unsettled, before, fresh);
    this.#begin.run();
    beforeRows();
    this.#writer.write(changes);
    this.#stepWriter.write(steps);
    afterRows();
    const { changes: moved } = this.#writeCheckpoint.run(through, changes.lastSeq, through);
    if (moved !== 1)
      throw new Error(`the views stand at ${this.#storedCheckpoint()}, not before ${through}: who else writes them?`);
    afterCheckpoint();
    this.#commit.run();
    afterCommit();
    this.#checkpoint = through;
    this.#lastSeq = changes.lastSeq;
    for (const parked of changes.parked) this.#parked.set(parked.stream, parked);
    for (const stream of changes.unparked) this.#parked.delete(stream);
  }

  listRuns(query: RunListQuery): RunListPage {
    if (query.minPosition !== undefined && query.minPosition > this.#checkpoint) {
      return { status: 'behind', position: this.#checkpoint };
    }
    return this.#reader.list(query, this.#lastSeq, this.#checkpoint);
  }

  listSteps(query: StepListQuery): StepListAnswer {
    if (query.minPosition !== undefined && query.minPosition > this.#checkpoint) {
      return { status: 'behind', position: this.#checkpoint };
    }
    return this.#reader.steps(query, this.#lastSeq, this.#checkpoint);
  }

  parked(): readonly ParkedStream[] {
    return [...this.#parked.values()].sort((a, b) => a.position - b.position).slice(0, PARKED_LIST_MAX);
  }

  close(): void {
    this.#database.close();
  }

  #storedCheckpoint(): Position {
    return (this.#readCheckpoint.get() as { position: Position }).position;
  }
}

/** Whether a write has failed for want of room alone: what was there before is there still. */
export const isDiskFull = (error: unknown): boolean => codeOf(error) === 'SQLITE_FULL';

// Whatever is thrown may be asked for its code.
const codeOf = (error: unknown): unknown => (error as { code?: unknown } | null)?.code;

const openFile = (file: string): Database.Database => {
  const why = whyNotWritable(file);
  if (why !== null) throw new Error(`the views cannot be opened: ${why}`);
  try {
    return openAs(file, 'normal');
  } catch (error) {
    if (codeOf(error) !== 'SQLITE_IOERR_SHMSIZE') throw error;
    // On a full disk there is no room for the file by which several processes share a set: alone it can still be read.
    return openAs(file, 'exclusive');
  }
};

const openAs = (file: string, lockingMode: 'normal' | 'exclusive'): Database.Database => {
  const database = new Database(file);
  try {
    database.pragma(`locking_mode = ${lockingMode}`);
    database.pragma('journal_mode = wal');
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
};
