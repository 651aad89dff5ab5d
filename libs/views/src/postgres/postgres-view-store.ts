import pg from 'pg';
import type { Instant } from '#domain';
import type { Position } from '#event-store';
import type { Clock } from '#runtime';
import { systemClock } from '#runtime';
import { parkedStream } from '../run-list-rows.js';
import type { ParkedStreamsTable } from '../run-list-tables.js';
import type {
  Applied,
  Batch,
  ParkedStream,
  RunListPage,
  RunListQuery,
  StepListAnswer,
  StepListQuery,
} from '../view-store.js';
import { PARKED_LIST_MAX, ViewStore, ViewsTooNew } from '../view-store.js';
import { CheckpointWatch } from './checkpoint-watch.js';
import { migrate } from './migrate.js';
import { PostgresViews, SetReplaced } from './postgres-views.js';
import { LIST_SETTINGS, listRuns, listSteps } from './run-list-reader.js';
import { restored } from './run-list-writer.js';
import { PostgresSession, connectionOptions, unavailable } from './session.js';
import { ROOT_SCHEMA } from './views-schema.js';

/** Connections that read lists. */
const READERS_MAX = 10;
/** A list that takes longer helps nobody, and holds a connection. */
const READ_TIMEOUT_MS = 10_000;
/** When the server does not even say that a reading took too long: the connection is dead. */
const STUCK_MS = 12_000;

/** The one active process of a name: since when, how many there were, and how long ago it gave a sign of life. */
export type Leader = {
  readonly holder: string;
  readonly term: number;
  readonly takenAt: Instant;
  readonly beatAgoMs: number;
};

export type PostgresViewStoreOptions = {
  /** What batches are written over: the session that holds the lock of the one projector. Without it, one of its own. */
  readonly session?: PostgresSession;
  readonly clock?: Clock;
};

/**
 * Views in Postgres, in schemas of their own. Any number of processes read lists from them, waiting by `waitFor` for what
 * another one writes. Two that write do no harm: the slower one is refused.
 */
export class PostgresViewStore extends ViewStore {
  readonly #url: string;
  readonly #given: PostgresSession | null;
  readonly #clock: Clock;
  #pool: pg.Pool | null = null;
  #watch: CheckpointWatch | null = null;
  /** The set that lists were last read from. */
  #set = '';
  #session: PostgresSession | null = null;
  #written: PostgresViews | null = null;

  constructor(url: string, { session, clock = systemClock }: PostgresViewStoreOptions = {}) {
    super();
    this.#url = url;
    this.#given = session ?? null;
    this.#clock = clock;
  }

  async start(): Promise<void> {
    const session = await PostgresSession.connect(this.#url);
    try {
      this.#set = await session.run(migrate);
      this.#pool ??= this.#openPool();
    } catch (error) {
      throw error instanceof ViewsTooNew ? error : unavailable(error);
    } finally {
      await session.end();
    }
  }

  async stop(): Promise<void> {
    const [pool, watch, session] = [this.#pool, this.#watch, this.#session];
    this.#pool = this.#watch = this.#session = this.#written = null;
    await watch?.stop();
    await session?.end();
    await pool?.end();
  }

  async checkpoint(): Promise<Position> {
    return this.#read(async () => (await this.#place()).position);
  }

  /** Rejects when it is not known whether the batch was written; the next one begins at the stored checkpoint. */
  async apply(batch: Batch): Promise<Applied> {
    try {
      const session = await this.#writing();
      return await session.run(async (client) => {
        this.#written ??= await PostgresViews.open(client, await migrate(client), WRITTEN);
        return batch.through > this.#written.checkpoint ? this.#written.apply(batch) : this.#idle(client, batch);
      });
    } catch (error) {
      const replaced = error instanceof SetReplaced;
      this.#written = null;
      if (replaced) return { status: 'gap', checkpoint: await this.checkpoint() };
      throw error instanceof ViewsTooNew ? error : unavailable(error);
    }
  }

  async listRuns(query: RunListQuery): Promise<RunListPage> {
    return this.#read(async (pool) => {
      const { set, position } = await this.#place();
      if (query.minPosition !== undefined && query.minPosition > position) return { status: 'behind', position };
      return listRuns(pool, set, query, position);
    });
  }

  async listSteps(query: StepListQuery): Promise<StepListAnswer> {
    return this.#read(async (pool) => {
      const { set, position } = await this.#place();
      if (query.minPosition !== undefined && query.minPosition > position) return { status: 'behind', position };
      return listSteps(pool, set, query, position);
    });
  }

  async parked(): Promise<readonly ParkedStream[]> {
    return this.#read(async (pool) => {
      const { set } = await this.#place();
      const { rows } = await pool.query<ParkedStreamsTable>(
        `select * from ${set}.parked_streams order by position limit ${PARKED_LIST_MAX}`,
      );
      return rows.map((row) => parkedStream(restored(row)));
    });
  }

  /** Who leads under that name, or did last; `null` when nobody ever has. Every take-over is a term. */
  async leader(name: string): Promise<Leader | null> {
    return this.#read(async (pool) => {
      const { rows } = await pool.query<{ holder: string; term: number; taken_at: Date; beat_ago_ms: number }>(
        `select holder, term, taken_at, extract(epoch from clock_timestamp() - beat_at)::float8 * 1000 as beat_ago_ms
         from ${ROOT_SCHEMA}.leaders where name = $1`,
        [name],
      );
      const [row] = rows;
      if (row === undefined) return null;
      const { holder, term, taken_at: takenAt, beat_ago_ms: beatAgoMs } = row;
      return { holder, term, takenAt: takenAt.toISOString(), beatAgoMs: Math.max(0, Math.round(beatAgoMs)) };
    });
  }

  /** Resolves `true` as soon as the views hold everything up to the position, `false` when that takes too long. */
  async waitFor(position: Position, timeoutMs: number): Promise<boolean> {
    if (this.#pool === null) return false;
    this.#watch ??= new CheckpointWatch(this.#url, this.#clock, () => this.checkpoint());
    return this.#watch.waitFor(position, timeoutMs);
  }

  #openPool(): pg.Pool {
    const pool = new pg.Pool({
      ...connectionOptions(this.#url),
      query_timeout: STUCK_MS,
      max: READERS_MAX,
      // By statements, since a pooler between may refuse them as parameters of the connection. The pool waits for them,
      // whatever its declaration says.
      onConnect: async (client) => void (await client.query(READER_SETTINGS)),
    });
    // An idle connection was lost: the pool makes another when one is needed.
    pool.on('error', () => {});
    return pool;
  }

  /** The served set and where it stands, in one reading. */
  async #place(): Promise<{ set: string; position: Position }> {
    const { rows } = await this.#pool!.query<{ current: string; position: Position }>(
      `select sets.current, checkpoint.position from ${ROOT_SCHEMA}.sets, ${this.#set}.checkpoint`,
    );
    const { current, position } = rows[0]!;
    if (current === this.#set) return { set: current, position };
    this.#set = current;
    return this.#place();
  }

  /** Once more when the set was removed under the reading: another one is served since long. */
  async #read<Answer>(read: (pool: pg.Pool) => Promise<Answer>): Promise<Answer> {
    const pool = this.#pool;
    if (pool === null) throw unavailable(new Error('the views are not open'));
    try {
      return await read(pool);
    } catch (error) {
      if (!isGone(error)) throw unavailable(error);
    }
    await this.start();
    return read(pool).catch((error: unknown) => {
      throw unavailable(error);
    });
  }

  /** Nothing is new: only whether another set has taken the place of this one. */
  async #idle(client: pg.ClientBase, batch: Batch): Promise<Applied> {
    const written = this.#written!;
    const { rows } = await client.query<{ current: string }>(`select current from ${ROOT_SCHEMA}.sets`);
    if (rows[0]!.current !== written.set) throw new SetReplaced(`${rows[0]!.current} is served now`);
    return written.apply(batch);
  }

  async #writing(): Promise<PostgresSession> {
    if (this.#pool === null) throw unavailable(new Error('the views are not open'));
    if (this.#given !== null) return this.#given;
    if (this.#session !== null) return this.#session;
    const session = await PostgresSession.connect(this.#url);
    this.#session = session;
    void session.ended.then(() => {
      if (this.#session === session) this.#session = null;
    });
    return session;
  }
}

const READER_SETTINGS = `${LIST_SETTINGS}; set statement_timeout = ${READ_TIMEOUT_MS}`;
const WRITTEN = { served: true, lookupsGo: 'into their table' } as const;

const UNDEFINED_TABLE = '42P01';
const UNDEFINED_SCHEMA = '3F000';

const isGone = (error: unknown): boolean =>
  error instanceof pg.DatabaseError && (error.code === UNDEFINED_TABLE || error.code === UNDEFINED_SCHEMA);
