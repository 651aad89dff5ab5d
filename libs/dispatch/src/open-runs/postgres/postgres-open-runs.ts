import { Socket } from 'node:net';
import pg from 'pg';
import type { RunId } from '#engine';
import { shardOf, type Position, type Shard } from '#event-store';
import { checkedSchema, DISPATCH_SCHEMA, migrate } from '../../shards/postgres/dispatch-schema.js';
import type { OpenRun, OpenRuns, OpenRunsBatch } from '../open-runs.js';

/** Proofs that shards are held; `null` for one that is not. */
export interface ShardClaims {
  claimOf(shard: Shard): string | null;
}

export type PostgresOpenRunsOptions = { readonly connectionString: string; readonly schema?: string };

const CONNECTIONS_MAX = 4;
const CONNECT_TIMEOUT_MS = 5_000;
const STATEMENT_TIMEOUT_MS = 10_000;
/** After the server's own, so that a statement that is given up here has ended there. */
const QUERY_TIMEOUT_MS = 12_000;

/**
 * The table of open runs in Postgres, one for all dispatchers. A write changes only shards that are still claimed by the
 * process that makes it: checked in the same statement, so that what a zombie writes has no effect.
 */
export class PostgresOpenRuns implements OpenRuns {
  private readonly pool: pg.Pool;
  private readonly sockets = new Set<Socket>();
  private readonly statements: ReturnType<typeof statementsIn>;
  private readonly schema: string;
  private last: Promise<unknown> = Promise.resolve();
  private writes = 0;
  private stopping: Promise<void> | null = null;

  constructor(
    private readonly claims: ShardClaims,
    { connectionString, schema = DISPATCH_SCHEMA }: PostgresOpenRunsOptions,
  ) {
    this.schema = checkedSchema(schema);
    this.statements = statementsIn(schema);
    this.pool = new pg.Pool({
      connectionString,
      application_name: 'stepwell open runs',
      max: CONNECTIONS_MAX,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      statement_timeout: STATEMENT_TIMEOUT_MS,
      query_timeout: QUERY_TIMEOUT_MS,
      keepAlive: true,
      stream: () => this.newSocket(),
    });
    // Of a connection that nobody uses: the pool has thrown it away, and the next question gets another.
    this.pool.on('error', () => undefined);
  }

  async start(): Promise<void> {
    const client = await this.pool.connect();
    // In our hands the pool does not listen; the statement that it breaks says so.
    client.on('error', () => undefined);
    try {
      await migrate(client, this.schema);
    } finally {
      client.release();
    }
  }

  stop(): Promise<void> {
    return (this.stopping ??= this.close());
  }

  async checkpoints(shards: readonly Shard[]): Promise<ReadonlyMap<Shard, Position>> {
    const { rows } = await this.pool.query<{ shard: Shard; position: string }>(this.statements.checkpoints, [shards]);
    // A position is below 2^53; the driver gives 64-bit numbers as text.
    return new Map(rows.map(({ shard, position }) => [shard, Number(position) as Position]));
  }

  write(batch: OpenRunsBatch): Promise<void> {
    return this.inOrder(batch.shards, (number, claims) => this.writeAs(number, claims, batch));
  }

  forget(shards: readonly Shard[]): Promise<void> {
    return this.inOrder(shards, async (number, claims) => {
      await this.pool.query(this.statements.forget, [shards, claims, number]);
    });
  }

  async due(
    shards: readonly Shard[],
    beforeMs: number,
    after: OpenRun | null,
    limit: number,
  ): Promise<readonly OpenRun[]> {
    const { rows } = await this.pool.query<{ run_id: RunId; due_ms: string }>(this.statements.due, [
      shards,
      Math.min(beforeMs, Number.MAX_SAFE_INTEGER),
      after?.dueMs ?? -1,
      after?.runId ?? '',
      limit,
    ]);
    return rows.map((row) => ({ runId: row.run_id, dueMs: Number(row.due_ms) }));
  }

  async count(shards: readonly Shard[]): Promise<number> {
    const { rows } = await this.pool.query<{ count: number }>(this.statements.count, [shards]);
    return rows[0]!.count;
  }

  private inOrder(
    shards: readonly Shard[],
    write: (number: number, claims: readonly (string | null)[]) => Promise<void>,
  ): Promise<void> {
    // As of now: what was noted under a claim is not to be written under a later one.
    const claims = shards.map((shard) => this.claims.claimOf(shard));
    const number = ++this.writes;
    const written = this.last.then(() => write(number, claims));
    this.last = written.catch(() => undefined);
    return written;
  }

  private async writeAs(number: number, claims: readonly (string | null)[], batch: OpenRunsBatch): Promise<void> {
    const { open, ended, checkpoint, shards } = batch;
    await this.pool.query(this.statements.write, [
      shards,
      claims,
      checkpoint,
      number,
      ended,
      open.map(({ runId }) => runId),
      open.map(({ runId }) => shardOf(runId)),
      open.map(({ dueMs }) => dueMs),
    ]);
  }

  private async close(): Promise<void> {
    await this.last;
    const ended = this.pool.end();
    // A goodbye may find nobody to answer it.
    for (const socket of this.sockets) socket.destroy();
    await ended;
  }

  private newSocket(): Socket {
    const socket = new Socket();
    this.sockets.add(socket);
    socket.once('close', () => this.sockets.delete(socket));
    return socket;
  }
}

const statementsIn = (schema: string) => ({
  checkpoints: `select shard, position from ${schema}.shards where shard = any($1) and position is not null`,

  // One statement, so that no transaction stays open in the hands of a process that was stopped. `written`: an earlier
  // write whose outcome was not known here does not come after a later one. Nobody locks rows of shards in another order.
  // The shards as an array: joined, they led to a look at every row of theirs (a million rows: 409 ms against 32, for 2,000 rows).
  write: `
    with mine as (
      select shards.shard from unnest($1::smallint[], $2::uuid[]) as held (shard, claim)
      join ${schema}.shards on shards.shard = held.shard and shards.claim = held.claim
      where shards.written < $4::bigint order by shards.shard for update of shards
    ), moved as (
      update ${schema}.shards set position = greatest(position, $3::bigint), written = $4::bigint
      from mine where shards.shard = mine.shard
    ), removed as (
      delete from ${schema}.open_runs where run_id = any($5) and shard = any(array(select shard from mine))
    )
    insert into ${schema}.open_runs (run_id, shard, due_ms)
    select run_id, shard, due_ms from unnest($6::text[], $7::smallint[], $8::bigint[]) as noted (run_id, shard, due_ms)
    where shard = any(array(select shard from mine))
    on conflict (run_id) do update set due_ms = excluded.due_ms where open_runs.due_ms <> excluded.due_ms`,

  // As `write`, under the same claims and in the same order.
  forget: `
    with mine as (
      select shards.shard from unnest($1::smallint[], $2::uuid[]) as held (shard, claim)
      join ${schema}.shards on shards.shard = held.shard and shards.claim = held.claim
      where shards.written < $3::bigint order by shards.shard for update of shards
    ), removed as (
      delete from ${schema}.open_runs where shard = any(array(select shard from mine))
    )
    update ${schema}.shards set position = null, written = $3::bigint from mine where shards.shard = mine.shard`,

  // Index: open_runs_by_due, once a shard.
  due: `
    select run_id, due_ms from unnest($1::smallint[]) as wanted (shard)
    cross join lateral (
      select run_id, due_ms from ${schema}.open_runs
      where open_runs.shard = wanted.shard and due_ms < $2 and (due_ms, run_id) > ($3::bigint, $4)
      order by due_ms, run_id limit $5
    ) as first
    order by due_ms, run_id limit $5`,

  count: `select count(*)::integer as count from ${schema}.open_runs where shard = any($1)`,
});
