import { Socket } from 'node:net';
import pg from 'pg';
import type { Shard } from '#event-store';
import type { MoveReason } from '../shard-ownership.js';
import { lockSpace, migrate } from './dispatch-schema.js';
import { memberStatements, shardStatements } from './ownership-statements.js';

/** Who a session speaks for, and the times that the dispatchers of a schema agree upon. */
export type SessionOptions = {
  readonly connectionString: string;
  readonly schema: string;
  readonly name: string;
  /** The same for all sessions of a process. */
  readonly boot: string;
  /** Of this session alone. */
  readonly id: string;
  readonly lateMs: number;
  readonly silentMs: number;
};

/** A dispatcher as the others see it. */
export type Member = {
  readonly id: string;
  readonly name: string;
  readonly shards: number;
  /** It has not beaten for so long that it starts nothing; that a peer may end it; its session is no more. */
  readonly late: boolean;
  readonly silent: boolean;
  readonly gone: boolean;
};

export type Survey = { readonly members: readonly Member[]; readonly free: readonly Shard[] };
/** A shard as claimed: `from` whom it came, `null` when nobody had it before. */
export type Claimed = { readonly shard: Shard; readonly claim: string; readonly reason: MoveReason };

const CONNECT_TIMEOUT_MS = 5_000;
const MOVES_KEPT = 10_000;
const INSUFFICIENT_PRIVILEGE = '42501';

/**
 * One session with Postgres, which holds the locks of the shards and beats: when it dies, however it dies, the locks are
 * free. It needs a connection of its own: through a pooler that shares connections among transactions no lock would last.
 */
export class OwnershipSession {
  private readonly socket = new Socket();
  private readonly client: pg.Client;
  private readonly statements: ReturnType<typeof memberStatements> & ReturnType<typeof shardStatements>;
  private readonly space: number;
  readonly id: string;

  /** `ended`: it is over, unless `destroy` was called. `told`: a peer came, went, or let go of shards. */
  constructor(
    private readonly options: SessionOptions,
    on: { ended: (cause: Error) => void; told: () => void },
  ) {
    const { connectionString, schema, name, silentMs } = options;
    this.id = options.id;
    this.statements = { ...memberStatements(schema), ...shardStatements(schema) };
    this.space = lockSpace(schema, 'shards');
    this.client = new pg.Client({
      connectionString,
      application_name: `stepwell dispatcher ${name}`,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      // Past this a peer may end the session anyway.
      query_timeout: silentMs,
      statement_timeout: silentMs,
      keepAlive: true,
      keepAliveInitialDelayMillis: silentMs,
      // Its own, so that it can be cut when the other side is not there to say goodbye.
      stream: () => this.socket,
    });
    this.client.on('error', on.ended);
    this.client.on('end', () => on.ended(new Error('the connection was closed')));
    this.client.on('notification', () => on.told());
  }

  /** Opens the session and joins the others. Ends the earlier sessions of this process, which hold locks perhaps. */
  async join(): Promise<{ readonly pooled: boolean }> {
    const { id, name, boot, schema } = this.options;
    await this.client.connect();
    await migrate(this.client, schema);
    await this.client.query(this.statements.keepAlive);
    await this.client.query(this.statements.endEarlier, [boot]);
    await this.client.query(`listen ${schema}_shards`);
    const joined = await this.client.query<{ pid: number }>(this.statements.join, [id, name, boot]);
    await this.tell();
    return { pooled: joined.rows[0]?.pid !== processIdOf(this.client) };
  }

  /** Shows that it lives; false when a peer has ended it, or the statement ran in another session. */
  async beat(): Promise<boolean> {
    const beaten = await this.client.query(this.statements.beat, [this.id]);
    return beaten.rowCount === 1;
  }

  /** The dispatchers, in an order upon which all agree, and the shards that nobody owns. */
  async survey(): Promise<Survey> {
    const { lateMs, silentMs } = this.options;
    const members = await this.client.query<Member>(this.statements.members, [lateMs, silentMs]);
    const free = await this.client.query<{ shard: Shard }>(this.statements.free);
    return { members: members.rows, free: free.rows.map(({ shard }) => shard) };
  }

  /**
   * Ends the sessions of silent dispatchers; their shards are free once they are gone. Gives their names, `null` when it
   * may not: the session of another role.
   */
  async end(ids: readonly string[]): Promise<readonly string[] | null> {
    try {
      const ended = await this.client.query<{ name: string }>(this.statements.end, [ids, this.options.silentMs]);
      return ended.rows.map(({ name }) => name);
    } catch (error) {
      if (error instanceof pg.DatabaseError && error.code === INSUFFICIENT_PRIVILEGE) return null;
      throw error;
    }
  }

  /** Takes the rows of dispatchers away whose sessions are gone and who start nothing any more; frees their shards. */
  async remove(ids: readonly string[]): Promise<number> {
    const freed = await this.client.query(this.statements.remove, [ids, this.options.lateMs]);
    await this.tell();
    return freed.rowCount ?? 0;
  }

  /** Gets the locks of these shards and claims those that are free: fewer, when another was faster. */
  async claim(shards: readonly Shard[]): Promise<readonly Claimed[]> {
    const { name } = this.options;
    const tried = await this.client.query<{ shard: Shard }>(this.statements.lock, [this.space, shards]);
    const locked = tried.rows.map(({ shard }) => shard);
    const claimed = await this.client.query<Claimed>(this.statements.claim, [this.id, name, locked]);
    const got = new Set(claimed.rows.map(({ shard }) => shard));
    await this.unlock(locked.filter((shard) => !got.has(shard)));
    if (got.size > 0) await this.client.query(this.statements.forgetMoves, [MOVES_KEPT]);
    return claimed.rows;
  }

  /** Another may have them. */
  async free(shards: readonly Shard[], reason: 'joined' | 'left'): Promise<void> {
    await this.client.query(this.statements.release, [this.id, shards, reason]);
    await this.unlock(shards);
    await this.tell();
  }

  /** Says goodbye: its row is gone at once, and the session. Its locks were free before. */
  async leave(): Promise<void> {
    await this.client.query(this.statements.leave, [this.id]);
    await this.tell();
    this.destroy();
  }

  /** Cuts the connection, whether anybody is there to hear a goodbye or not. */
  destroy(): void {
    this.socket.destroy();
  }

  private async unlock(shards: readonly Shard[]): Promise<void> {
    if (shards.length > 0) await this.client.query(this.statements.unlock, [this.space, shards]);
  }

  private async tell(): Promise<void> {
    await this.client.query(`notify ${this.options.schema}_shards`);
  }
}

/** What the server said on connecting; a pooler says something of its own. The types do not know it. */
const processIdOf = (client: pg.Client): number | null => (client as { processID?: number | null }).processID ?? null;
