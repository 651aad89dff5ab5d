import pg from 'pg';
import { systemClock } from '#runtime';
import { ViewsUnavailable } from '../view-store.js';

const INT8 = 20;
const CONNECT_TIMEOUT_MS = 5_000;
const END_TIMEOUT_MS = 5_000;
/** A connection on which nothing is heard for so long is dead, though no end of it has said so: a network may swallow both. */
const STUCK_MS = 15_000;

// Places and positions are safe integers; the driver would give them as text.
const types: pg.CustomTypesConfig = {
  getTypeParser: (oid: number, format?: 'text' | 'binary') =>
    // The driver's own declaration knows only its constants.
    oid === INT8 ? Number : (pg.types.getTypeParser(oid, format as 'text') as (text: string) => unknown),
};

/** How every connection of the views is made. */
export const connectionOptions = (url: string): pg.ClientConfig => ({
  connectionString: url,
  types,
  application_name: 'stepwell views',
  keepAlive: true,
  connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
});

/** One connection, used by one at a time. Locks of its session, and its open transaction, end with it. */
export class PostgresSession {
  readonly #client: pg.Client;
  /** Resolves when the connection is gone, by whatever cause. */
  readonly ended: Promise<void>;
  #lost: Error | null = null;
  #last: Promise<unknown> = Promise.resolve();

  private constructor(
    client: pg.Client,
    private readonly stuckMs: number,
  ) {
    this.#client = client;
    this.ended = new Promise((resolve) => {
      client.once('end', () => {
        this.#lost ??= new Error('the connection has ended');
        resolve();
      });
    });
    // Without a listener it would end the process; whoever uses the session hears of it.
    client.on('error', (error) => (this.#lost ??= error));
  }

  /** `stuckMs`: how long one piece of work may take before the connection is given up. */
  static async connect(url: string, { stuckMs = STUCK_MS } = {}): Promise<PostgresSession> {
    const client = new pg.Client(connectionOptions(url));
    const session = new PostgresSession(client, stuckMs);
    try {
      await client.connect();
    } catch (error) {
      await client.end().catch(() => {});
      throw unavailable(error);
    }
    return session;
  }

  /** Calls with the connection when those before are done with it. */
  run<Result>(work: (client: pg.ClientBase) => Promise<Result>): Promise<Result> {
    const turn = this.#last.then(() => {
      if (this.#lost !== null) throw unavailable(this.#lost);
      if (this.stuckMs === Infinity) return work(this.#client);
      const takeBack = systemClock.after(this.stuckMs, () => this.cut());
      return work(this.#client).finally(takeBack);
    });
    this.#last = turn.catch(() => {});
    return turn;
  }

  /** Hears what is told on a channel. */
  async listen(channel: string, hear: (payload: string) => void): Promise<void> {
    this.#client.on('notification', (told) => {
      if (told.channel === channel) hear(told.payload ?? '');
    });
    await this.run((client) => client.query(`listen ${channel}`));
  }

  /** Closes it when those who use it are done, or after a while in any case. Idempotent. */
  async end(): Promise<void> {
    const takeBack = systemClock.after(END_TIMEOUT_MS, () => this.cut());
    await this.#last;
    await this.#client.end().catch(() => {});
    takeBack();
  }

  /** Closes it under those who use it: what they wait for rejects, and the server rolls back. */
  cut(): void {
    this.#lost ??= new Error('the connection was cut');
    this.#client.connection.stream.destroy();
  }
}

/** The database cannot be reached, or has refused. */
export const unavailable = (cause: unknown): ViewsUnavailable =>
  cause instanceof ViewsUnavailable
    ? cause
    : new ViewsUnavailable(`the views cannot be reached: ${cause instanceof Error ? cause.message : String(cause)}`, {
        cause,
      });
