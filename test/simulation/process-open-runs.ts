import type { OpenRun, OpenRuns, OpenRunsBatch } from '#dispatch';
import { shardOf, type Position, type Shard } from '#event-store';
import type { ShardTable } from './shard-table.js';
import type { SimulatedProcess } from './simulated-process.js';

const WIRE_MS = 5;

/** One process's way to the table of open runs: over a wire, and of shards that it owns no more nothing is written. */
export class ProcessOpenRuns implements OpenRuns {
  constructor(
    private readonly runs: OpenRuns,
    private readonly shards: ShardTable,
    private readonly process: SimulatedProcess,
  ) {}

  start(): Promise<void> {
    return Promise.resolve();
  }

  stop(): Promise<void> {
    return Promise.resolve();
  }

  checkpoints(shards: readonly Shard[]): Promise<ReadonlyMap<Shard, Position>> {
    return this.asked(() => this.runs.checkpoints(shards));
  }

  write({ open, ended, checkpoint, shards }: OpenRunsBatch): Promise<void> {
    return this.asked(() =>
      this.runs.write({
        open: open.filter(({ runId }) => this.owns(shardOf(runId))),
        ended: ended.filter((runId) => this.owns(shardOf(runId))),
        checkpoint,
        shards: shards.filter((shard) => this.owns(shard)),
      }),
    );
  }

  forget(shards: readonly Shard[]): Promise<void> {
    return this.asked(() => this.runs.forget(shards.filter((shard) => this.owns(shard))));
  }

  due(shards: readonly Shard[], beforeMs: number, after: OpenRun | null, limit: number): Promise<readonly OpenRun[]> {
    return this.asked(() => this.runs.due(shards, beforeMs, after, limit));
  }

  count(shards: readonly Shard[]): Promise<number> {
    return this.asked(() => this.runs.count(shards));
  }

  private owns(shard: Shard): boolean {
    const { name, world } = this.process;
    return this.shards.ownerAt(shard, world.time.nowMs()) === name;
  }

  private asked<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
    return this.process.ask(WIRE_MS, () => {
      if (this.process.isCutFromTable) throw new Error('the table of open runs cannot be reached');
      return ask();
    });
  }
}
