import type { Pool, PoolConfig } from 'pg';
import { LOG_START, type Position } from '#event-store';
import { RelayCheckpoint, type TakenCheckpoint } from '../relay-checkpoint.js';

/**
 * Under a lock: two that create the same table at once collide in the catalogue, also with `if not exists`. In one message,
 * which is one transaction: the lock is held by nobody who could be cut off before the end.
 */
const CREATE = `
  select pg_advisory_xact_lock(hashtext('stepwell.relay_checkpoint'));
  create table if not exists relay_checkpoint (
    topic    text   primary key,
    epoch    bigint not null,
    position bigint not null
  )`;
const TAKE = `
  insert into relay_checkpoint (topic, epoch, position) values ($1, 1, $2)
  on conflict (topic) do update set epoch = relay_checkpoint.epoch + 1
  returning epoch, position`;
const STORE = `update relay_checkpoint set position = $3 where topic = $1 and epoch = $2`;

/** A server that does not answer for so long has failed: the relay must be able to stop. */
const ANSWER_MS = 5_000;

/** A row a topic, shared by all projectors. Fenced in the statement itself: a late one finds another epoch and changes nothing. */
export class PostgresRelayCheckpoint extends RelayCheckpoint {
  readonly #topic: string;
  readonly #options: PoolConfig;
  #pool: Pool | null = null;

  constructor(topic: string, options: PoolConfig) {
    super();
    this.#topic = topic;
    this.#options = options;
  }

  async start(): Promise<void> {
    if (this.#pool !== null) return;
    // Loaded here: a process without Postgres does not pay for it.
    const { Pool } = await import('pg');
    const pool = new Pool({ connectionTimeoutMillis: ANSWER_MS, query_timeout: ANSWER_MS, ...this.#options, max: 1 });
    // A connection that breaks while idle is replaced at the next statement, which is where its failure is answered.
    pool.on('error', () => {});
    try {
      await pool.query(CREATE);
    } catch (error) {
      await pool.end();
      throw error;
    }
    this.#pool = pool;
  }

  async stop(): Promise<void> {
    const pool = this.#pool;
    this.#pool = null;
    await pool?.end();
  }

  async take(): Promise<TakenCheckpoint> {
    const { rows } = await this.#open.query<{ epoch: string; position: string }>(TAKE, [this.#topic, LOG_START]);
    const { epoch, position } = rows[0]!;
    // A reason for the cast: what `store` was given.
    return { epoch: Number(epoch), position: Number(position) as Position };
  }

  async store(epoch: number, position: Position): Promise<'stored' | 'fenced'> {
    const { rowCount } = await this.#open.query(STORE, [this.#topic, epoch, position]);
    return rowCount === 1 ? 'stored' : 'fenced';
  }

  get #open(): Pool {
    if (this.#pool === null) throw new Error('the checkpoint of the relay is not open');
    return this.#pool;
  }
}
