import { PLACES_A_RUN } from '../step-list-rows.js';
import type { ClientBase } from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { finished } from 'node:stream/promises';
import type { StreamName } from '#event-store';
import type { RunListChanges, RunRow } from '../run-list-projection.js';
import { RUN_COLUMNS, bindRun, bucketTimes, lookupsOf, parkedStream, runRow } from '../run-list-rows.js';
import type { ParkedStreamsTable, RunBucketsTable, RunLookupsTable, RunsTable } from '../run-list-tables.js';
import type { ParkedStream } from '../view-store.js';
import { arrayOf, copied, fromStored, toStored } from './stored-text.js';

/** Where the lookups of new rows go: into their table, or into one that is sorted into it at the end of a rebuild. */
export type LookupsGo = 'into their table' | 'into staging';

const COLUMNS = Object.keys(RUN_COLUMNS).join(', ');

/** Writes changes of the run list inside the caller's transaction: a statement a table, however large the batch. */
export class RunListWriter {
  readonly #client: ClientBase;
  readonly #set: string;
  readonly #lookupsGo: LookupsGo;

  constructor(client: ClientBase, set: string, lookupsGo: LookupsGo) {
    this.#client = client;
    this.#set = set;
    this.#lookupsGo = lookupsGo;
  }

  async parked(): Promise<Map<string, ParkedStream>> {
    const { rows } = await this.#client.query<ParkedStreamsTable>(`select * from ${this.#set}.parked_streams`);
    return new Map(rows.map((row) => [row.stream, parkedStream(restored(row))]));
  }

  /** The rows of those runs that are in the list. Index runs_by_run_id. */
  async rows(runIds: ReadonlySet<string>): Promise<Map<string, RunRow>> {
    if (runIds.size === 0) return new Map();
    const { rows } = await this.#client.query<RunsTable>(
      `select ${COLUMNS} from ${this.#set}.runs where run_id = any($1::text[])`,
      [arrayOf([...runIds])],
    );
    return new Map(rows.map((row) => [row.run_id, runRow(restored(row))]));
  }

  async write(changes: RunListChanges): Promise<void> {
    const { inserted, updated, parked, removed, unparked } = changes;
    if (inserted.length > 0) await this.#copyRuns(inserted);
    if (updated.length > 0) await this.#update(updated);
    const lookups = lookupsOf(changes, false);
    if (lookups.length > 0) await this.#insertLookups(lookups);
    if (inserted.length > 0) await this.#widenBuckets(bucketTimes(inserted));
    for (const stream of parked) await this.#park(stream);
    if (unparked.length > 0) await this.#unpark(unparked);
    if (removed.length > 0) await this.#remove(removed);
  }

  #copyRuns(inserted: readonly RunRow[]): Promise<void> {
    const values: unknown[] = [];
    let text = '';
    for (const row of inserted) {
      values.length = 0;
      bindRun(row, values);
      text += `${values.map(copied).join('\t')}\n`;
    }
    return this.#copy(`runs (${COLUMNS})`, text);
  }

  /** Primary key. */
  async #update(updated: readonly RunRow[]): Promise<void> {
    await this.#client.query(
      `update ${this.#set}.runs
       set status = c.status, reason = c.reason, error_name = c.error_name, error_cause = c.error_cause,
         finished_at = c.finished_at, resolved = c.resolved, revision = c.revision
       from unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::integer[], $8::integer[])
         as c (seq, status, reason, error_name, error_cause, finished_at, resolved, revision)
       where runs.seq = c.seq`,
      [
        arrayOf(updated.map(({ seq }) => seq)),
        arrayOf(updated.map(({ status }) => status)),
        arrayOf(updated.map(({ reason }) => reason)),
        arrayOf(updated.map(({ error }) => error?.name ?? null)),
        arrayOf(updated.map(({ error }) => error?.cause ?? null)),
        arrayOf(updated.map(({ finishedAt }) => finishedAt)),
        arrayOf(updated.map(({ resolved }) => (resolved ? 1 : 0))),
        arrayOf(updated.map(({ revision }) => revision)),
      ],
    );
  }

  /** A run may have two tags of one hash, or a step twice. */
  async #insertLookups(lookups: readonly RunLookupsTable[]): Promise<void> {
    if (this.#lookupsGo === 'into staging') {
      let text = '';
      for (const { hash, seq, step } of lookups) text += `${hash}\t${seq}\t${copied(step)}\n`;
      return this.#copy('run_lookups_staging (hash, seq, step)', text);
    }
    await this.#client.query(
      `insert into ${this.#set}.run_lookups (hash, seq, step)
       select * from unnest($1::bigint[], $2::bigint[], $3::text[])
       on conflict do nothing`,
      [
        arrayOf(lookups.map(({ hash }) => hash)),
        arrayOf(lookups.map(({ seq }) => seq)),
        arrayOf(lookups.map(({ step }) => step)),
      ],
    );
  }

  async #widenBuckets(times: readonly RunBucketsTable[]): Promise<void> {
    await this.#client.query(
      `insert into ${this.#set}.run_buckets as kept (bucket, created_min, created_max)
       select * from unnest($1::integer[], $2::text[], $3::text[])
       on conflict (bucket) do update set
         created_min = least(kept.created_min, excluded.created_min),
         created_max = greatest(kept.created_max, excluded.created_max)`,
      [
        arrayOf(times.map(({ bucket }) => bucket)),
        arrayOf(times.map(({ created_min }) => created_min)),
        arrayOf(times.map(({ created_max }) => created_max)),
      ],
    );
  }

  async #park({ stream, position, revision, eventType, error, skipped }: ParkedStream): Promise<void> {
    await this.#client.query(
      `insert into ${this.#set}.parked_streams (stream, position, revision, event_type, error, skipped)
       values ($1, $2, $3, $4, $5, $6)
       on conflict (stream) do update set skipped = excluded.skipped`,
      [stream, position, revision, toStored(eventType), toStored(error), skipped],
    );
  }

  async #unpark(streams: readonly StreamName[]): Promise<void> {
    await this.#client.query(`delete from ${this.#set}.parked_streams where stream = any($1::text[])`, [
      arrayOf(streams),
    ]);
  }

  /** Primary keys, and index run_lookups_of_steps. What is in staging goes when that is sorted into its table. */
  async #remove(removed: readonly RunRow[]): Promise<void> {
    const seqs = arrayOf(removed.map(({ seq }) => seq));
    await this.#client.query(`delete from ${this.#set}.runs where seq = any($1::bigint[])`, [seqs]);
    // Primary key, a range for each run.
    await this.#client.query(
      `delete from ${this.#set}.steps using unnest($1::bigint[]) as gone (seq)
       where place >= gone.seq * ${PLACES_A_RUN} and place < (gone.seq + 1) * ${PLACES_A_RUN}`,
      [seqs],
    );
    if (this.#lookupsGo === 'into staging') return;
    const lookups = lookupsOf({ inserted: removed, attempted: [] }, false);
    await this.#client.query(
      `delete from ${this.#set}.run_lookups as kept using unnest($1::bigint[], $2::bigint[]) as gone (hash, seq)
       where kept.hash = gone.hash and kept.seq = gone.seq`,
      [arrayOf(lookups.map(({ hash }) => hash)), arrayOf(lookups.map(({ seq }) => seq))],
    );
    await this.#client.query(
      `delete from ${this.#set}.run_lookups where step is not null and (seq + 0) = any($1::bigint[])`,
      [seqs],
    );
  }

  async #copy(into: string, text: string): Promise<void> {
    const stream = this.#client.query(copyFrom(`copy ${this.#set}.${into} from stdin`));
    stream.end(text);
    await finished(stream);
  }
}

/** The row, its texts as they were before they were stored. */
export const restored = <Row extends object>(row: Row): Row => {
  // Only texts are replaced, by texts.
  const columns = row as Record<string, unknown>;
  for (const column in columns) {
    const value = columns[column];
    if (typeof value === 'string') columns[column] = fromStored(value);
  }
  return row;
};
