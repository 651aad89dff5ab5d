import { Worker } from 'node:worker_threads';
import type { Position } from '#event-store';
import { isNoRoom } from '#runtime';
import type {
  Applied,
  Batch,
  ParkedStream,
  RunListPage,
  RunListQuery,
  StepListAnswer,
  StepListQuery,
} from '../view-store.js';
import { ViewStore, ViewsFull, ViewsTooNew, ViewsUnavailable } from '../view-store.js';
import type { Question, Reply, ThreadOptions } from './thread-messages.js';

type Pending = { readonly resolve: (value: unknown) => void; readonly reject: (error: Error) => void };
type Thread = { readonly worker: Worker; readonly pending: Map<number, Pending>; readonly ended: Promise<void> };

/** Views in SQLite files under `folder`, on a thread of their own, so that no list and no batch delays a run. */
export class SqliteViewStore extends ViewStore {
  readonly #options: ThreadOptions;
  #thread: Thread | null = null;
  #starting: Promise<void> | null = null;
  #lastId = 0;

  constructor(folder: string) {
    super();
    this.#options = { folder };
  }

  start(): Promise<void> {
    if (this.#thread !== null) return Promise.resolve();
    this.#starting ??= this.#open().finally(() => (this.#starting = null));
    return this.#starting;
  }

  async stop(): Promise<void> {
    await this.#starting?.catch(() => {});
    const thread = this.#thread;
    if (thread === null) return;
    // Whether it answers or dies, it ends.
    await this.#ask({ type: 'stop' }).catch(() => {});
    await thread.ended;
  }

  checkpoint(): Promise<Position> {
    return this.#ask({ type: 'checkpoint' });
  }

  apply(batch: Batch): Promise<Applied> {
    return this.#ask({ type: 'apply', batch });
  }

  listRuns(query: RunListQuery): Promise<RunListPage> {
    return this.#ask({ type: 'list-runs', query });
  }

  listSteps(query: StepListQuery): Promise<StepListAnswer> {
    return this.#ask({ type: 'list-steps', query });
  }

  parked(): Promise<readonly ParkedStream[]> {
    return this.#ask({ type: 'parked' });
  }

  /** The thread's answer has the type that the port gives to the question. */
  #ask<Answer>(question: Question): Promise<Answer> {
    const thread = this.#thread;
    if (thread === null) return Promise.reject(new ViewsUnavailable('the views are not open'));
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      thread.pending.set(id, { resolve: resolve as (value: unknown) => void, reject });
      thread.worker.postMessage({ ...question, id });
    });
  }

  #open(): Promise<void> {
    return new Promise((resolve, reject) => {
      const worker = new Worker(new URL('./views-thread.js', import.meta.url), {
        name: 'views',
        workerData: this.#options,
      });
      const pending = new Map<number, Pending>();
      let failure: unknown = null;
      let end = (): void => {};
      const thread: Thread = { worker, pending, ended: new Promise((ended) => (end = ended)) };
      worker.on('message', (reply: Reply) => {
        if ('ready' in reply) {
          this.#thread = thread;
          return resolve();
        }
        const asked = pending.get(reply.id);
        pending.delete(reply.id);
        if ('error' in reply) asked?.reject(unavailable(reply.error));
        else asked?.resolve(reply.value);
      });
      worker.on('error', (error) => (failure = error));
      worker.on('exit', () => {
        if (this.#thread === thread) this.#thread = null;
        const error = unavailable(failure);
        for (const { reject: fail } of pending.values()) fail(error);
        reject(error);
        end();
      });
    });
  }
}

/** Errors that cross threads lose their class, but not what they say. */
const unavailable = (cause: unknown): Error => {
  const said = typeof cause === 'object' && cause !== null ? cause : {};
  const message = 'message' in said ? String(said.message) : 'their thread has ended';
  if ('code' in said && said.code === 'views-too-new') return new ViewsTooNew(message, { cause });
  const Fault = isNoRoom(cause) ? ViewsFull : ViewsUnavailable;
  return new Fault(`the views cannot be reached: ${message}`, { cause });
};
