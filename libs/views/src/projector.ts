import type { Commit, EventStore, Position } from '#event-store';
import { LOG_START, OUR_STREAMS } from '#event-store';
import { pause, type Clock } from '#runtime';
import { ViewProjector, type Lag } from './view-projector.js';
import { ViewsAheadOfLog, ViewsFull, type ViewStore } from './view-store.js';

/** How long commits gather before they are written, unless somebody waits: the last state of a row is written, not each. */
export const GATHER_MS = 200;
/**
 * So many commits in that time are a load under which more gather, up to this: a run that ends before it is written costs a
 * third of one that begins in one batch and ends in another, and a cut between two batches meets all runs that are in flight.
 */
export const BUSY_COMMITS = 200;
export const BUSY_GATHER_MS = 1_000;
/** After a batch of so many commits those of the next are not heard of one by one, but so often. */
export const GATHERED_COMMITS = 20;
const READ_EVERY_MS = 100;
/** With nothing to write the store is still asked, so that a switch to a rebuilt set is noticed. */
export const IDLE_CHECK_MS = 1_000;
export const BATCH_COMMITS_MAX = 10_000;
export const BATCH_BYTES_MAX = 16 * 1024 * 1024;
export const RESTART_DELAY_MS_MIN = 100;
export const RESTART_DELAY_MS_MAX = 5_000;

export type ProjectorOptions = {
  /** Called for each failure that the projector answers by starting again from the checkpoint. */
  readonly onFault?: (error: unknown, delayMs: number) => void;
  /** At about so many appends a batch is written without waiting for more. */
  readonly batchCommitsMax?: number;
  /** How long commits gather under load. */
  readonly busyGatherMs?: number;
};

type Waiter = { readonly position: Position; readonly settle: (reached: boolean) => void };

/**
 * Follows the log and keeps the views. Only reads the log: slow or dead, it delays no run. After a failure it goes on
 * from the checkpoint by itself.
 */
export class Projector extends ViewProjector {
  readonly #log: EventStore;
  readonly #views: ViewStore;
  readonly #clock: Clock;
  readonly #onFault: NonNullable<ProjectorOptions['onFault']>;
  readonly #batchCommitsMax: number;
  readonly #busyGatherMs: number;
  readonly #waiters = new Set<Waiter>();
  #running: { readonly ended: Promise<void>; readonly abort: AbortController } | null = null;
  #checkpoint: Position = LOG_START;
  #caughtUp = false;
  /** Read from the log, not yet handed to the store. */
  #commits: Commit[] = [];
  #bytes = 0;
  #events = 0;
  /** Last position read, of any stream. */
  #read: Position = LOG_START;
  /** Monotonic instant at which the oldest unwritten event came. */
  #oldestMs: number | null = null;
  #hurried = false;
  /** Commits in the last batch. */
  #last = 0;
  /** Ends the sleep of the writing loop. */
  #wake: () => void = () => {};
  /** Lets the reading loop go on after the gathered commits were taken. */
  #room: () => void = () => {};

  constructor(log: EventStore, views: ViewStore, clock: Clock, options: ProjectorOptions = {}) {
    super();
    this.#log = log;
    this.#views = views;
    this.#clock = clock;
    this.#onFault = options.onFault ?? (() => {});
    this.#batchCommitsMax = options.batchCommitsMax ?? BATCH_COMMITS_MAX;
    this.#busyGatherMs = options.busyGatherMs ?? BUSY_GATHER_MS;
  }

  /**
   * Opens the views and follows the log from their checkpoint. Rejects when the views cannot be opened at all; those that there is no
   * room for are tried again.
   */
  async start(): Promise<void> {
    if (this.#running !== null) return;
    try {
      await this.#views.start();
      this.#checkpoint = await this.#views.checkpoint();
    } catch (error) {
      if (!(error instanceof ViewsFull)) throw error;
    }
    const abort = new AbortController();
    this.#running = { abort, ended: this.#run(abort.signal) };
  }

  /** Writes nothing more, and lets those who wait go with `false`. The views stay open for reading: stop them after. */
  async stop(): Promise<void> {
    const running = this.#running;
    this.#running = null;
    running?.abort.abort();
    this.#wake();
    await running?.ended;
    for (const waiter of [...this.#waiters]) waiter.settle(false);
  }

  /** The position up to which everything is in the views. */
  get checkpoint(): Position {
    return this.#checkpoint;
  }

  get leads(): boolean {
    return this.#running !== null;
  }

  get lag(): Lag {
    const seconds = this.#oldestMs === null ? 0 : (this.#clock.monotonicMs() - this.#oldestMs) / 1_000;
    return { events: this.#events, seconds, caughtUp: this.#caughtUp };
  }

  /** Writes what is gathered at once. */
  hurry(): void {
    this.#hurried = true;
    this.#wake();
  }

  /** Resolves `true` as soon as the views hold everything up to the position, `false` when that takes too long. */
  waitFor(position: Position, timeoutMs: number): Promise<boolean> {
    if (this.#checkpoint >= position) return Promise.resolve(true);
    if (this.#running === null) return Promise.resolve(false);
    return new Promise((resolve) => {
      const waiter: Waiter = {
        position,
        settle: (reached) => {
          this.#waiters.delete(waiter);
          takeBack();
          resolve(reached);
        },
      };
      const takeBack = this.#clock.after(timeoutMs, () => waiter.settle(false));
      this.#waiters.add(waiter);
      this.#wake();
    });
  }

  async #run(signal: AbortSignal): Promise<void> {
    let delayMs = RESTART_DELAY_MS_MIN;
    while (!signal.aborted) {
      const before = this.#checkpoint;
      try {
        await this.#follow(signal);
      } catch (error) {
        if (signal.aborted) return;
        if (this.#checkpoint > before) delayMs = RESTART_DELAY_MS_MIN;
        this.#onFault(error, delayMs);
        // Not cut short by those who wait, unlike the loop's own sleep: a store that keeps failing is not hammered.
        await pause(this.#clock, delayMs, signal);
        delayMs = Math.min(delayMs * 2, RESTART_DELAY_MS_MAX);
      }
    }
  }

  /** From the checkpoint until stopped, until something fails, or until the views stand elsewhere than they did. */
  async #follow(stopped: AbortSignal): Promise<void> {
    await this.#views.start();
    this.#checkpoint = await this.#views.checkpoint();
    const head = await this.#log.head();
    if (head < this.#checkpoint) throw new ViewsAheadOfLog(this.#checkpoint, head);
    this.#read = this.#checkpoint;
    this.#caughtUp = false;
    this.#take();
    const abort = new AbortController();
    const signal = AbortSignal.any([stopped, abort.signal]);
    let readError: unknown = null;
    const reading = this.#readLog(signal).catch((error: unknown) => {
      readError = error;
      abort.abort();
      this.#wake();
    });
    try {
      await this.#write(signal);
    } finally {
      abort.abort();
      this.#take();
      this.#room();
      await reading;
    }
    if (readError !== null && !stopped.aborted) throw readError;
  }

  /** Never holds more than about one batch: the subscription then waits, and goes on from disk. */
  async #readLog(signal: AbortSignal): Promise<void> {
    const gatherMs = (): number => (this.#last >= GATHERED_COMMITS && this.#waiters.size === 0 ? READ_EVERY_MS : 0);
    const options = { filter: { prefixes: OUR_STREAMS }, gatherMs, signal };
    for await (const message of this.#log.subscribe(this.#read, options)) {
      const first = this.#read <= this.#checkpoint && this.#commits.length === 0;
      if (message.type === 'commits') for (const commit of message.commits) this.#gather(commit);
      else this.#catchUp(message.position);
      if (first || this.#urgent()) this.#wake();
      if (this.#full()) await new Promise<void>((resolve) => (this.#room = resolve));
      if (signal.aborted) return;
    }
    if (!signal.aborted) throw new Error('the subscription to the log ended by itself');
  }

  #gather(commit: Commit): void {
    this.#oldestMs ??= this.#clock.monotonicMs();
    this.#read = commit.position;
    if (!isOfRun(commit)) return;
    this.#commits.push(commit);
    this.#bytes += commit.packed.length;
    this.#events += commit.count;
  }

  #catchUp(position: Position): void {
    this.#caughtUp = true;
    if (position <= this.#read) return;
    this.#oldestMs ??= this.#clock.monotonicMs();
    this.#read = position;
  }

  async #write(signal: AbortSignal): Promise<void> {
    let checkedMs = this.#clock.monotonicMs();
    while (!signal.aborted) {
      const pauseMs = this.#pauseMs(checkedMs);
      if (pauseMs > 0) {
        await this.#sleep(pauseMs, signal);
        continue;
      }
      const after = this.#checkpoint;
      const applied = await this.#views.apply({ after, through: this.#read, commits: this.#take() });
      if (applied.status === 'gap') return;
      checkedMs = this.#clock.monotonicMs();
      this.#checkpoint = applied.checkpoint;
      for (const waiter of [...this.#waiters]) if (waiter.position <= applied.checkpoint) waiter.settle(true);
    }
  }

  #pauseMs(checkedMs: number): number {
    const nowMs = this.#clock.monotonicMs();
    if (this.#read <= this.#checkpoint) return checkedMs + IDLE_CHECK_MS - nowMs;
    const gatherMs = this.#commits.length < BUSY_COMMITS ? GATHER_MS : this.#busyGatherMs;
    return this.#urgent() ? 0 : (this.#oldestMs ?? nowMs) + gatherMs - nowMs;
  }

  #urgent(): boolean {
    return this.#hurried || this.#waiters.size > 0 || this.#full();
  }

  #full(): boolean {
    return this.#commits.length >= this.#batchCommitsMax || this.#bytes >= BATCH_BYTES_MAX;
  }

  #take(): readonly Commit[] {
    const commits = this.#commits;
    this.#last = commits.length;
    this.#commits = [];
    this.#bytes = 0;
    this.#events = 0;
    this.#oldestMs = null;
    this.#hurried = false;
    this.#room();
    return commits;
  }

  #sleep(delayMs: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const takeBack = this.#clock.after(delayMs, () => this.#wake());
      this.#wake = () => {
        takeBack();
        this.#wake = () => {};
        resolve();
      };
    });
  }
}

const isOfRun = (commit: Commit): boolean => commit.stream.startsWith('run-');
