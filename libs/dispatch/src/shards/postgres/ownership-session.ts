import { Socket } from 'node:net';
import pg from 'pg';
import type { Shard } from '#event-store';
import type { MoveReason } from '../shard-ownership.js';
import { lockSpace, migrate } from './dispatch-schema.js';

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
  private readonly statements: ReturnType<typeof statementsIn>;
  private readonly space: number;
  readonly id: string;

  /** `ended`: it is over, unless `destroy` was called. `told`: a peer came, went, or let go of shards. */
  constructor(
    private readonly options: SessionOptions,
    on: { ended: (cause: Error) => void; told: () => void },
  ) {
    const { connectionString, schema, name, silentMs } = options;
    this.id = options.id;
    this.statements = statementsIn(schema);
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

const statementsIn = (schema: string) => ({
  // The server, too, notices in time that the other host is gone. Without effect on a local socket.
  keepAlive: `select set_config('tcp_keepalives_idle', '5', false), set_config('tcp_keepalives_interval', '2', false),
    set_config('tcp_keepalives_count', '3', false)`,

  endEarlier: `
    with earlier as (
      delete from ${schema}.dispatchers where boot = $1 returning id, backend_pid, backend_start
    ), theirs as (
      select shard from ${schema}.shards where owner in (select id from earlier) order by shard for update
    ), freed as (
      update ${schema}.shards set owner = null, claim = null, freed = 'died'
      from theirs where shards.shard = theirs.shard
    )
    select pg_terminate_backend(session.pid) from earlier
    join pg_stat_activity session on session.pid = backend_pid and session.backend_start = earlier.backend_start`,

  join: `
    insert into ${schema}.dispatchers (id, name, boot, backend_pid, backend_start)
    select $1, $2, $3, pid, backend_start from pg_stat_activity where pid = pg_backend_pid() returning backend_pid as pid`,

  beat: `
    update ${schema}.dispatchers set beat_at = clock_timestamp()
    where id = $1 and backend_pid = pg_backend_pid() and not ended`,

  members: `
    select id, name, session.pid is null as gone,
      beat_at < clock_timestamp() - $1 * interval '1 millisecond' as late,
      beat_at < clock_timestamp() - $2 * interval '1 millisecond' as silent,
      (select count(*) from ${schema}.shards where owner = id)::integer as shards
    from ${schema}.dispatchers
    left join pg_stat_activity session on session.pid = backend_pid and session.backend_start = dispatchers.backend_start
    order by joined_at, id`,

  free: `select shard from ${schema}.shards where owner is null order by shard`,

  // The number of a session's process may be another's by now: its start tells them apart.
  end: `
    with silent as (
      update ${schema}.dispatchers set ended = true from pg_stat_activity session
      where id = any($1) and beat_at < clock_timestamp() - $2 * interval '1 millisecond'
        and session.pid = backend_pid and session.backend_start = dispatchers.backend_start
      returning name, session.pid
    )
    select name, pg_terminate_backend(pid) from silent`,

  remove: `
    with removed as (
      delete from ${schema}.dispatchers
      where id = any($1) and beat_at < clock_timestamp() - $2 * interval '1 millisecond' and not exists (
        select from pg_stat_activity session
        where session.pid = backend_pid and session.backend_start = dispatchers.backend_start
      )
      returning id, ended
    ), theirs as (
      select shard, case when ended then 'silent' else 'died' end as freed
      from ${schema}.shards join removed on owner = removed.id order by shard for update of shards
    )
    update ${schema}.shards set owner = null, claim = null, freed = theirs.freed
    from theirs where shards.shard = theirs.shard`,

  lock: `select shard from unnest($2::smallint[]) as shard where pg_try_advisory_lock($1, shard)`,

  // A row that a write still holds is left for the next turn: nothing may keep the beat waiting.
  claim: `
    with found as (
      select shard, holder, coalesce(freed, 'joined') as reason from ${schema}.shards
      where shard = any($3) and owner is null order by shard for update skip locked
    ), claimed as (
      update ${schema}.shards set owner = $1, holder = $2, claim = gen_random_uuid(), written = 0, freed = null
      from found where shards.shard = found.shard returning shards.shard, claim
    ), noted as (
      insert into ${schema}.shard_moves (shard, from_dispatcher, to_dispatcher, reason)
      select shard, holder, $2, reason from found
    )
    select shard, claim, reason from claimed join found using (shard)`,

  forgetMoves: `
    delete from ${schema}.shard_moves where id <= (select max(id) from ${schema}.shard_moves) - $1`,

  release: `
    with mine as (
      select shard from ${schema}.shards where shard = any($2) and owner = $1 order by shard for update
    )
    update ${schema}.shards set owner = null, claim = null, freed = $3 from mine where shards.shard = mine.shard`,

  unlock: `select pg_advisory_unlock($1, shard) from unnest($2::smallint[]) as shard`,

  leave: `delete from ${schema}.dispatchers where id = $1`,
});
