import type { ClientBase } from 'pg';
import type { Commit, Position } from '#event-store';
import { foldRunList, rowsNeeded } from '../run-list-projection.js';
import { foldStepList, stepsNeeded } from '../step-list-projection.js';
import { afterCheckpoint, afterCommit, afterRows, beforeRows } from '../view-failpoints.js';
import type { Applied, Batch, ParkedStream } from '../view-store.js';
import { inTransaction } from './migrate.js';
import { RunListWriter, type LookupsGo } from './run-list-writer.js';
import { StepListWriter } from './step-list-writer.js';
import { CHECKPOINT_CHANNEL, ROOT_SCHEMA } from './views-schema.js';

/** The set is no longer the one that is served: a rebuilt one has taken its place. */
export class SetReplaced extends Error {
  readonly code = 'set-replaced';
  readonly retryable = true;
}

type State = { readonly checkpoint: Position; readonly lastSeq: number; readonly parked: Map<string, ParkedStream> };

/**
 * One set of views in a schema of its own, written over one connection. After an error of `apply` it must be left; opened
 * again it stands at its checkpoint.
 */
export class PostgresViews {
  readonly #client: ClientBase;
  readonly #set: string;
  readonly #writer: RunListWriter;
  readonly #steps: StepListWriter;
  readonly #served: boolean;
  readonly #parked: Map<string, ParkedStream>;
  #checkpoint: Position;
  #lastSeq: number;

  private constructor(client: ClientBase, set: string, writer: RunListWriter, served: boolean, state: State) {
    this.#client = client;
    this.#set = set;
    this.#writer = writer;
    this.#steps = new StepListWriter(client, set);
    this.#served = served;
    this.#parked = state.parked;
    this.#checkpoint = state.checkpoint;
    this.#lastSeq = state.lastSeq;
  }

  /** A set that is migrated. `served`: its batches are refused (`SetReplaced`) once another set is served. */
  static async open(
    client: ClientBase,
    set: string,
    { served, lookupsGo }: { readonly served: boolean; readonly lookupsGo: LookupsGo },
  ): Promise<PostgresViews> {
    const writer = new RunListWriter(client, set, lookupsGo);
    const { rows } = await client.query<{ position: Position }>(`select position from ${set}.checkpoint`);
    const state = {
      checkpoint: rows[0]!.position,
      lastSeq: await writer.lastSeq(),
      parked: await writer.parked(),
    };
    return new PostgresViews(client, set, writer, served, state);
  }

  get set(): string {
    return this.#set;
  }

  get checkpoint(): Position {
    return this.#checkpoint;
  }

  /** Rows and checkpoint together, or neither. What is at or below the checkpoint is left out. */
  async apply({ after, through, commits }: Batch): Promise<Applied> {
    if (after > this.#checkpoint) return { status: 'gap', checkpoint: this.#checkpoint };
    if (through > this.#checkpoint) await this.#applyNew(commits, through);
    return { status: 'applied', checkpoint: this.#checkpoint };
  }

  async #applyNew(commits: readonly Commit[], through: Position): Promise<void> {
    const fresh = commits.filter(({ position }) => position > this.#checkpoint);
    const lastSeq = this.#lastSeq;
    const rows = await this.#writer.rows(rowsNeeded(fresh));
    const changes = foldRunList({ rows, parked: this.#parked, lastSeq }, fresh);
    const before = await this.#steps.rows(stepsNeeded(changes.unsettled));
    const steps = foldStepList(changes.unsettled, before, fresh);
    await inTransaction(this.#client, async () => {
      beforeRows();
      await this.#refuseOthers();
      await this.#writer.write(changes);
      await this.#steps.write(steps);
      afterRows();
      await this.#moveCheckpoint(through);
      afterCheckpoint();
    });
    afterCommit();
    this.#checkpoint = through;
    this.#lastSeq = changes.inserted.at(-1)?.seq ?? lastSeq;
    for (const parked of changes.parked) this.#parked.set(parked.stream, parked);
  }

  /**
   * Until the transaction ends no other set takes the place of this one, and nobody else writes it. The checkpoint must be
   * where this writer has left it: whoever was asleep meanwhile writes nothing.
   */
  async #refuseOthers(): Promise<void> {
    // A set that is being built is not served, and the rebuild itself may hold the lock on what is.
    const statement = this.#served
      ? `select sets.current, checkpoint.position from ${ROOT_SCHEMA}.sets, ${this.#set}.checkpoint
         for key share of sets for update of checkpoint`
      : `select '${this.#set}' as current, position from ${this.#set}.checkpoint for update`;
    const { rows } = await this.#client.query<{ current: string; position: Position }>(statement);
    const { current, position } = rows[0]!;
    if (current !== this.#set) throw new SetReplaced(`${current} is served, no longer ${this.#set}`);
    if (position !== this.#checkpoint)
      throw new Error(`the views stand at ${position}, not at ${this.#checkpoint}: who else writes them?`);
  }

  async #moveCheckpoint(through: Position): Promise<void> {
    await this.#client.query(`update ${this.#set}.checkpoint set position = $1`, [through]);
    if (this.#served) await this.#client.query('select pg_notify($1, $2)', [CHECKPOINT_CHANNEL, String(through)]);
  }
}
