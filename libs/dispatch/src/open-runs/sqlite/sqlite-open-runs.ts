import assert from 'node:assert/strict';
import { Worker } from 'node:worker_threads';
import { SHARDS, type Position, type Shard } from '#event-store';
import { OpenRunsFull, type OpenRun, type OpenRuns, type OpenRunsBatch } from '../open-runs.js';
import type { OpenRunsAnswer, OpenRunsQuestion } from './open-runs-thread.js';

type Question = OpenRunsQuestion extends infer Q ? (Q extends { id: number } ? Omit<Q, 'id'> : never) : never;
type Waiting = { readonly resolve: (result: never) => void; readonly reject: (error: Error) => void };

/**
 * The table of open runs in a SQLite file of its own, on a thread of its own. Beside the embedded log, which has one
 * owner of all shards: so one checkpoint serves them all, and rows are not told apart by shard.
 */
export class SqliteOpenRuns implements OpenRuns {
  private worker: Worker | null = null;
  private readonly waiting = new Map<number, Waiting>();
  private asked = 0;

  constructor(private readonly file: string) {}

  async start(): Promise<void> {
    const worker = new Worker(new URL('./open-runs-thread.js', import.meta.url), {
      workerData: this.file,
      name: 'open-runs',
    });
    worker.on('message', (answer: OpenRunsAnswer) => this.answered(answer));
    worker.on('error', (error: Error) => this.failAll(error));
    worker.on('exit', () => {
      // Nobody would answer what is asked from now on.
      this.worker = null;
      this.failAll(new Error('the thread of the open-runs table has ended'));
    });
    this.worker = worker;
    // A file that cannot be opened is told of now.
    await this.ask({ ask: 'checkpoint' });
  }

  async stop(): Promise<void> {
    const { worker } = this;
    if (worker === null) return;
    const exited = new Promise((resolve) => worker.once('exit', resolve));
    await this.ask({ ask: 'close' });
    await exited;
  }

  async checkpoints(shards: readonly Shard[]): Promise<ReadonlyMap<Shard, Position>> {
    requireAll(shards);
    const position = await this.ask<Position | null>({ ask: 'checkpoint' });
    return new Map(position === null ? [] : shards.map((shard) => [shard, position]));
  }

  write(batch: OpenRunsBatch): Promise<void> {
    requireAll(batch.shards);
    return this.ask({ ask: 'write', batch });
  }

  forget(shards: readonly Shard[]): Promise<void> {
    requireAll(shards);
    return this.ask({ ask: 'forget' });
  }

  due(shards: readonly Shard[], beforeMs: number, after: OpenRun | null, limit: number): Promise<readonly OpenRun[]> {
    requireAll(shards);
    return this.ask({ ask: 'due', beforeMs, after, limit });
  }

  count(shards: readonly Shard[]): Promise<number> {
    requireAll(shards);
    return this.ask({ ask: 'count' });
  }

  private ask<Result>(question: Question): Promise<Result> {
    const { worker } = this;
    if (worker === null) return Promise.reject(new Error('the open-runs table is closed'));
    const id = ++this.asked;
    return new Promise<Result>((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      worker.postMessage({ id, ...question });
    });
  }

  private answered(answer: OpenRunsAnswer): void {
    const waiting = this.waiting.get(answer.id);
    this.waiting.delete(answer.id);
    if ('error' in answer)
      return waiting?.reject(answer.full ? new OpenRunsFull(answer.error) : new Error(answer.error));
    // What the thread answers is of the type that the question asks for: both sides are this folder's.
    waiting?.resolve(answer.result as never);
  }

  private failAll(error: Error): void {
    for (const { reject } of this.waiting.values()) reject(error);
    this.waiting.clear();
  }
}

const requireAll = (shards: readonly Shard[]): void =>
  assert(shards.length === SHARDS, 'the embedded table of open runs belongs to one owner of all shards');
