import type { Position } from '#event-store';
import type { Clock } from '#runtime';
import { PostgresSession } from './session.js';
import { CHECKPOINT_CHANNEL, HURRY_CHANNEL } from './views-schema.js';

/** What is told may be lost with a connection: while somebody waits, the checkpoint is read this often as well. */
const POLL_MS = 500;
/** Those who wait ask the projector to hurry, all together this often. */
const HURRY_MS = 20;
const RECONNECT_MS = 500;

type Waiter = { readonly position: Position; readonly settle: (reached: boolean) => void };

/** Waits for the checkpoint of views that another process writes, and makes that one write soon. */
export class CheckpointWatch {
  readonly #url: string;
  readonly #clock: Clock;
  readonly #read: () => Promise<Position>;
  readonly #waiters = new Set<Waiter>();
  /** `null` before the first wait, after `stop`, and while there is no connection. */
  #session: PostgresSession | null = null;
  #connecting: Promise<void> | null = null;
  #takeBackPoll: () => void = () => {};
  #takeBackHurry: (() => void) | null = null;
  #takeBackReconnect: () => void = () => {};
  #stopped = false;

  /** `read` gives the stored checkpoint. */
  constructor(url: string, clock: Clock, read: () => Promise<Position>) {
    this.#url = url;
    this.#clock = clock;
    this.#read = read;
  }

  /** Resolves `true` as soon as the views hold everything up to the position, `false` when that takes too long. */
  async waitFor(position: Position, timeoutMs: number): Promise<boolean> {
    if (this.#stopped) return false;
    const reached = new Promise<boolean>((resolve) => {
      const takeBack = this.#clock.after(timeoutMs, () => waiter.settle(false));
      const waiter: Waiter = {
        position,
        settle: (answer) => {
          takeBack();
          this.#waiters.delete(waiter);
          if (this.#waiters.size === 0) this.#takeBackPoll();
          resolve(answer);
        },
      };
      this.#waiters.add(waiter);
    });
    // Heard from now on, and only then read: what is committed in between is not missed.
    this.#connect();
    this.#poll();
    return reached;
  }

  /** Lets those who wait go with `false`. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#takeBackHurry?.();
    this.#takeBackReconnect();
    for (const waiter of [...this.#waiters]) waiter.settle(false);
    await this.#connecting;
    this.#takeBackReconnect();
    await this.#session?.end();
  }

  #reached(position: Position): void {
    for (const waiter of [...this.#waiters]) if (waiter.position <= position) waiter.settle(true);
  }

  #poll(): void {
    this.#takeBackPoll();
    void this.#read().then(
      (position) => {
        this.#reached(position);
        this.#hurry();
      },
      // Whoever waits is told by the time; the next reading may succeed.
      () => {},
    );
    if (this.#waiters.size > 0) this.#takeBackPoll = this.#clock.after(POLL_MS, () => this.#poll());
  }

  /** Tells the furthest position that somebody waits for. */
  #hurry(): void {
    if (this.#waiters.size === 0 || this.#takeBackHurry !== null || this.#session === null) return;
    const furthest = this.#furthest();
    const told = this.#session.run((client) =>
      client.query('select pg_notify($1, $2)', [HURRY_CHANNEL, String(furthest)]),
    );
    // Without it the projector writes in its own time.
    told.catch(() => {});
    this.#takeBackHurry = this.#clock.after(HURRY_MS, () => {
      this.#takeBackHurry = null;
      if (this.#furthest() > furthest) this.#hurry();
    });
  }

  #furthest(): number {
    return Math.max(-1, ...[...this.#waiters].map(({ position }) => position));
  }

  #connect(): void {
    if (this.#stopped || this.#session !== null || this.#connecting !== null) return;
    this.#connecting = this.#open()
      .catch(() => void (this.#takeBackReconnect = this.#clock.after(RECONNECT_MS, () => this.#connect())))
      .finally(() => (this.#connecting = null));
  }

  async #open(): Promise<void> {
    const session = await PostgresSession.connect(this.#url);
    await session.listen(CHECKPOINT_CHANNEL, (payload) => this.#reached(Number(payload) as Position));
    this.#session = session;
    void session.ended.then(() => {
      this.#session = null;
      this.#connect();
    });
    this.#poll();
  }
}
