import { Worker } from 'node:worker_threads';
import type { Position } from '#event-store';
import type { OpenRun, OpenRuns, OpenRunsBatch } from '../open-runs.js';
import type { OpenRunsAnswer, OpenRunsQuestion } from './open-runs-thread.js';

type Question = OpenRunsQuestion extends infer Q ? (Q extends { id: number } ? Omit<Q, 'id'> : never) : never;
type Waiting = { readonly resolve: (result: never) => void; readonly reject: (error: Error) => void };

/** The table of open runs in a SQLite file of its own, on a thread of its own. */
export class SqliteOpenRuns implements OpenRuns {
  private worker: Worker | null = null;
  private readonly waiting = new Map<number, Waiting>();
  private asked = 0;

  constructor(private readonly file: string) {}

  start(): Promise<Position | null> {
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
    return this.ask({ ask: 'checkpoint' });
  }

  async stop(): Promise<void> {
    const { worker } = this;
    if (worker === null) return;
    const exited = new Promise((resolve) => worker.once('exit', resolve));
    await this.ask({ ask: 'close' });
    await exited;
  }

  write(batch: OpenRunsBatch): Promise<void> {
    return this.ask({ ask: 'write', batch });
  }

  due(beforeMs: number, after: OpenRun | null, limit: number): Promise<readonly OpenRun[]> {
    return this.ask({ ask: 'due', beforeMs, after, limit });
  }

  count(): Promise<number> {
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
    if ('error' in answer) return waiting?.reject(new Error(answer.error));
    // What the thread answers is of the type that the question asks for: both sides are this folder's.
    waiting?.resolve(answer.result as never);
  }

  private failAll(error: Error): void {
    for (const { reject } of this.waiting.values()) reject(error);
    this.waiting.clear();
  }
}
