import { pause, type Clock } from '#runtime';
import { migrate } from './migrate.js';
import { PostgresSession } from './session.js';
import { ROOT_SCHEMA } from './views-schema.js';

/** How often the holder beats, and the others look whether it does. */
export const BEAT_MS = 1_000;
/** A holder silent for so long is ended by any other. */
export const SILENT_MS = 10_000;
/** A holder whose last beat is so long ago starts nothing: it may have been ended. */
export const LATE_MS = 5_000;

/** While this process is the one. */
export type Leading = {
  /** Holds the lock: what is written over it is refused as soon as somebody else leads. */
  readonly session: PostgresSession;
  /** Aborted when the lock is lost, and at `stop`. */
  readonly signal: AbortSignal;
  /** False when the last beat is too long ago to begin anything that the session does not guard. */
  readonly mayStart: () => boolean;
};

export type LeaderLockOptions = {
  /** Names this process to people. */
  readonly holder: string;
  /** Called for each failure that is answered by asking for the lock again. */
  readonly onFault?: (error: unknown, delayMs: number) => void;
  readonly beatMs?: number;
  readonly silentMs?: number;
};

/**
 * One active process of several, for each name. The lock is one of a session: it goes when the process dies. A holder that
 * is only silent (stopped, or cut off) is ended by one that stands by, so that a take-over takes `SILENT_MS` at most, and
 * two beats.
 */
export class PostgresLeaderLock {
  readonly #url: string;
  readonly #name: string;
  readonly #clock: Clock;
  readonly #holder: string;
  readonly #onFault: (error: unknown, delayMs: number) => void;
  readonly #beatMs: number;
  readonly #silentMs: number;
  #running: { readonly ended: Promise<void>; readonly abort: AbortController } | null = null;
  #leads = false;

  constructor(url: string, name: string, clock: Clock, options: LeaderLockOptions) {
    this.#url = url;
    this.#name = name;
    this.#clock = clock;
    this.#holder = options.holder;
    this.#onFault = options.onFault ?? (() => {});
    this.#beatMs = options.beatMs ?? BEAT_MS;
    this.#silentMs = options.silentMs ?? SILENT_MS;
  }

  get leads(): boolean {
    return this.#leads;
  }

  /** Calls `lead` each time that this process becomes the one. The lock is let go when that ends, and asked for again. */
  start(lead: (leading: Leading) => Promise<void>): void {
    if (this.#running !== null) return;
    const abort = new AbortController();
    this.#running = { abort, ended: this.#run(lead, abort.signal) };
  }

  /** Lets the lock go when `lead` has ended. */
  async stop(): Promise<void> {
    const running = this.#running;
    this.#running = null;
    running?.abort.abort();
    await running?.ended;
  }

  async #run(lead: (leading: Leading) => Promise<void>, stopped: AbortSignal): Promise<void> {
    while (!stopped.aborted) {
      let session: PostgresSession | null = null;
      try {
        session = await PostgresSession.connect(this.#url);
        await session.run(migrate);
        const term = await this.#standBy(session, stopped);
        if (term !== null) await this.#lead(session, term, lead, stopped);
      } catch (error) {
        if (!stopped.aborted) this.#onFault(error, this.#beatMs);
      }
      await session?.end();
      await pause(this.#clock, this.#beatMs, stopped);
    }
  }

  /** Until the lock is held; gives the term, or `null` when stopped. */
  async #standBy(session: PostgresSession, stopped: AbortSignal): Promise<number | null> {
    while (!stopped.aborted) {
      const term = await this.#take(session);
      if (term !== null) return term;
      await this.#endSilent(session);
      await pause(this.#clock, this.#beatMs, stopped);
    }
    return null;
  }

  /** Lock and record in one statement: nobody sees a lock held by one that has not beaten. */
  async #take(session: PostgresSession): Promise<number | null> {
    const { rows } = await session.run((client) =>
      client.query<{ term: number }>(
        `insert into ${ROOT_SCHEMA}.leaders as before (name, holder, backend_pid, term, taken_at, beat_at)
         select $1, $2, pg_backend_pid(), 1, clock_timestamp(), clock_timestamp() where pg_try_advisory_lock(${LOCK_KEY})
         on conflict (name) do update set holder = excluded.holder, backend_pid = excluded.backend_pid,
           term = before.term + 1, taken_at = excluded.taken_at, beat_at = excluded.beat_at
         returning term`,
        [this.#name, this.#holder],
      ),
    );
    return rows[0]?.term ?? null;
  }

  /** The record must be of the backend that holds the lock: a process number comes again. */
  async #endSilent(session: PostgresSession): Promise<void> {
    await session.run((client) =>
      client.query(
        `select pg_terminate_backend(held.pid)
         from ${ROOT_SCHEMA}.leaders join pg_locks as held on held.pid = leaders.backend_pid
         where leaders.name = $1 and leaders.beat_at < clock_timestamp() - make_interval(secs => $2)
           and held.locktype = 'advisory' and held.granted and held.objsubid = 1
           and held.database = (select oid from pg_database where datname = current_database())
           and ((held.classid::bigint << 32) | held.objid::bigint) = ${LOCK_KEY}`,
        [this.#name, this.#silentMs / 1_000],
      ),
    );
  }

  async #lead(
    session: PostgresSession,
    term: number,
    lead: (leading: Leading) => Promise<void>,
    stopped: AbortSignal,
  ): Promise<void> {
    const lost = new AbortController();
    void session.ended.then(() => lost.abort());
    const signal = AbortSignal.any([stopped, lost.signal]);
    let beatMs = this.#clock.monotonicMs();
    this.#leads = true;
    const done = new AbortController();
    const beating = this.#beat(session, term, AbortSignal.any([signal, done.signal]), () => {
      beatMs = this.#clock.monotonicMs();
    }).catch((error: unknown) => {
      this.#onFault(error, this.#beatMs);
      session.cut();
    });
    try {
      const mayStart = (): boolean => !signal.aborted && this.#clock.monotonicMs() - beatMs < LATE_MS;
      await lead({ session, signal, mayStart });
    } finally {
      this.#leads = false;
      done.abort();
      await beating;
    }
  }

  async #beat(session: PostgresSession, term: number, signal: AbortSignal, onBeat: () => void): Promise<void> {
    for (;;) {
      await pause(this.#clock, this.#beatMs, signal);
      if (signal.aborted) return;
      // No answer is a silence too, and the others will take it as such.
      const takeBack = this.#clock.after(this.#silentMs, () => session.cut());
      const beaten = session.run((client) =>
        client.query(`update ${ROOT_SCHEMA}.leaders set beat_at = clock_timestamp() where name = $1 and term = $2`, [
          this.#name,
          term,
        ]),
      );
      const { rowCount } = await beaten.finally(takeBack);
      if (rowCount !== 1) throw new Error(`another process has become the ${this.#name}`);
      onBeat();
    }
  }
}

const LOCK_KEY = `hashtextextended('stepwell leader ' || $1, 0)`;
