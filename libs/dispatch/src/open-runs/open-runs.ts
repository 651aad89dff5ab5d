import type { RunId } from '#engine';
import { shardOf, type Position, type Shard } from '#event-store';
import { firstIndex } from '#runtime';

/** A run that is not ended, and when it next owes something: milliseconds since the epoch, 0 for now. */
export type OpenRun = { readonly runId: RunId; readonly dueMs: number };

export type OpenRunsBatch = {
  readonly open: readonly OpenRun[];
  readonly ended: readonly RunId[];
  /** The rows of `shards` tell of every event up to here, once this batch is in. They may tell more. */
  readonly checkpoint: Position;
  /** All whose checkpoint moves; every run of the batch is in one of them. */
  readonly shards: readonly Shard[];
};

/**
 * The table of open runs, which the owners of shards keep for themselves, so that a take-over need not fold the log:
 * rows and checkpoints change in one transaction. Not a source of truth: a lost table is made anew from the log.
 */
export interface OpenRuns {
  start(): Promise<void>;
  stop(): Promise<void>;
  /** The checkpoint of the last batch of each shard; absent where there is none. */
  checkpoints(shards: readonly Shard[]): Promise<ReadonlyMap<Shard, Position>>;
  /** Batches land in the order of the calls; a checkpoint never goes back. */
  write(batch: OpenRunsBatch): Promise<void>;
  /** Rows and checkpoints of the shards go, as those of a table that was lost. In the order of the calls, as `write`. */
  forget(shards: readonly Shard[]): Promise<void>;
  /** Runs of the shards that are due before an instant, in the order (due, id), after a row of an earlier page. */
  due(shards: readonly Shard[], beforeMs: number, after: OpenRun | null, limit: number): Promise<readonly OpenRun[]>;
  count(shards: readonly Shard[]): Promise<number>;
}

/** The disk of the table has no room for what was to be written; the table is as it was. */
export class OpenRunsFull extends Error {
  readonly code = 'storage-full';
  readonly retryable = true;
}

/** Keeps the table as long as the process lives: beside a log in memory, and for tests. */
export class MemoryOpenRuns implements OpenRuns {
  private readonly rows = new Map<RunId, number>();
  /** Rows as they were written, old ones among them, sorted when somebody asks: nearly sorted is cheap to sort. */
  private order: OpenRun[] = [];
  private unsorted = false;
  private readonly positions = new Map<Shard, Position>();

  start(): Promise<void> {
    return Promise.resolve();
  }

  stop(): Promise<void> {
    return Promise.resolve();
  }

  checkpoints(shards: readonly Shard[]): Promise<ReadonlyMap<Shard, Position>> {
    const found = new Map<Shard, Position>();
    for (const shard of shards) {
      const position = this.positions.get(shard);
      if (position !== undefined) found.set(shard, position);
    }
    return Promise.resolve(found);
  }

  write({ open, ended, checkpoint, shards }: OpenRunsBatch): Promise<void> {
    for (const row of open) {
      if (this.rows.get(row.runId) === row.dueMs) continue;
      this.rows.set(row.runId, row.dueMs);
      this.order.push(row);
      this.unsorted = true;
    }
    for (const runId of ended) this.rows.delete(runId);
    for (const shard of shards) {
      if (checkpoint > (this.positions.get(shard) ?? -Infinity)) this.positions.set(shard, checkpoint);
    }
    return Promise.resolve();
  }

  forget(shards: readonly Shard[]): Promise<void> {
    const gone = new Set(shards);
    for (const shard of shards) this.positions.delete(shard);
    for (const runId of this.rows.keys()) if (gone.has(shardOf(runId))) this.rows.delete(runId);
    return Promise.resolve();
  }

  due(shards: readonly Shard[], beforeMs: number, after: OpenRun | null, limit: number): Promise<readonly OpenRun[]> {
    this.sort();
    const wanted = new Set(shards);
    const page: OpenRun[] = [];
    for (let index = after === null ? 0 : this.indexAfter(after); index < this.order.length; index++) {
      const row = this.order[index]!;
      if (row.dueMs >= beforeMs || page.length === limit) break;
      if (this.rows.get(row.runId) === row.dueMs && wanted.has(shardOf(row.runId))) page.push(row);
    }
    return Promise.resolve(page);
  }

  count(shards: readonly Shard[]): Promise<number> {
    const wanted = new Set(shards);
    let count = 0;
    for (const runId of this.rows.keys()) if (wanted.has(shardOf(runId))) count += 1;
    return Promise.resolve(count);
  }

  private sort(): void {
    if (!this.unsorted) return;
    this.unsorted = false;
    this.order.sort(byDue);
    // A row that went away and came back stands here twice.
    this.order = this.order.filter(
      (row, index, all) => this.rows.get(row.runId) === row.dueMs && (index === 0 || byDue(all[index - 1]!, row) !== 0),
    );
  }

  private indexAfter(row: OpenRun): number {
    return firstIndex(this.order.length, (index) => byDue(this.order[index]!, row) > 0);
  }
}

const byDue = (a: OpenRun, b: OpenRun): number =>
  a.dueMs - b.dueMs || (a.runId < b.runId ? -1 : a.runId > b.runId ? 1 : 0);
