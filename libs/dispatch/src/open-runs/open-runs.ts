import type { Position } from '#event-store';
import type { RunId } from '#engine';

/** A run that is not ended, and when it next owes something: milliseconds since the epoch, 0 for now. */
export type OpenRun = { readonly runId: RunId; readonly dueMs: number };

export type OpenRunsBatch = {
  readonly open: readonly OpenRun[];
  readonly ended: readonly RunId[];
  /** The rows tell of every event up to here, once this batch is in. */
  readonly checkpoint: Position;
};

/**
 * The table of open runs, which an owner keeps for itself, so that a start need not fold the log: rows and checkpoint
 * change in one transaction. Not a source of truth: a lost table is made anew from the log.
 */
export interface OpenRuns {
  /** The checkpoint of the last batch, `null` when there is none. */
  start(): Promise<Position | null>;
  stop(): Promise<void>;
  write(batch: OpenRunsBatch): Promise<void>;
  /** Runs due before an instant, in the order (due, id), after a row of an earlier page. */
  due(beforeMs: number, after: OpenRun | null, limit: number): Promise<readonly OpenRun[]>;
  count(): Promise<number>;
}

/** Keeps the table as long as the process lives: beside a log in memory. */
export class MemoryOpenRuns implements OpenRuns {
  private readonly rows = new Map<RunId, number>();
  private checkpoint: Position | null = null;

  start(): Promise<Position | null> {
    return Promise.resolve(this.checkpoint);
  }

  stop(): Promise<void> {
    return Promise.resolve();
  }

  write(batch: OpenRunsBatch): Promise<void> {
    for (const { runId, dueMs } of batch.open) this.rows.set(runId, dueMs);
    for (const runId of batch.ended) this.rows.delete(runId);
    this.checkpoint = batch.checkpoint;
    return Promise.resolve();
  }

  due(beforeMs: number, after: OpenRun | null, limit: number): Promise<readonly OpenRun[]> {
    const rows = [...this.rows].map(([runId, dueMs]) => ({ runId, dueMs })).filter(({ dueMs }) => dueMs < beforeMs);
    rows.sort(byDue);
    return Promise.resolve(rows.filter((row) => after === null || byDue(row, after) > 0).slice(0, limit));
  }

  count(): Promise<number> {
    return Promise.resolve(this.rows.size);
  }
}

const byDue = (a: OpenRun, b: OpenRun): number =>
  a.dueMs - b.dueMs || (a.runId < b.runId ? -1 : a.runId > b.runId ? 1 : 0);
