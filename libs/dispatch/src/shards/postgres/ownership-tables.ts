import { Socket } from 'node:net';
import pg from 'pg';
import type { Shard } from '#event-store';
import type { MoveReason } from '../shard-ownership.js';
import { migrate } from './dispatch-schema.js';
import { memberStatements, shardStatements } from './ownership-statements.js';

/** Who speaks to the tables, and what the dispatchers of a schema agree upon. */
export type OwnershipTablesOptions = {
  readonly connectionString: string;
  readonly schema: string;
  readonly name: string;
  /** The same for all connections of a process. */
  readonly boot: string;
  /** Of this membership alone. */
  readonly id: string;
  readonly silentMs: number;
};

/** A dispatcher as the others see it. `silent`: it has not beaten for so long that a peer may take its shards. */
export type Member = {
  readonly id: string;
  readonly name: string;
  readonly shards: number;
  readonly silent: boolean;
};

export type Membership = { readonly members: readonly Member[]; readonly free: readonly Shard[] };
/** A shard as claimed: `reason` why it was free, `claim` what proves that it is held. */
export type ClaimedShard = { readonly shard: Shard; readonly claim: string; readonly reason: MoveReason };

const CONNECT_TIMEOUT_MS = 5_000;
const MOVES_KEPT = 10_000;

export type OwnershipNews = {
  /** The connection is gone, unless `destroy` was called. */
  readonly ended: (cause: Error) => void;
  /** A peer came, went, or freed shards. */
  readonly changed: () => void;
};

/** What is asked of the tables. */
export type MemberOfTables = Pick<
  OwnershipTables,
  'id' | 'join' | 'beat' | 'membership' | 'remove' | 'claim' | 'free' | 'leave' | 'destroy'
>;

/**
 * The tables of who owns which shard, by one connection, as one member. Nothing hangs on the connection: a shard is whose its row
 * says, until its owner frees it or has not beaten for `silentMs` by the server's clock. So any pooler may stand between; through
 * one that shares connections among transactions, peers are noticed at the next beat instead of at once.
 */
export class OwnershipTables {
  private readonly socket = new Socket();
  private readonly client: pg.Client;
  private readonly statements: ReturnType<typeof memberStatements> & ReturnType<typeof shardStatements>;
  readonly id: string;

  constructor(
    private readonly options: OwnershipTablesOptions,
    on: OwnershipNews,
  ) {
    const { connectionString, schema, name, silentMs } = options;
    this.id = options.id;
    this.statements = { ...memberStatements(schema), ...shardStatements(schema) };
    this.client = new pg.Client({
      connectionString,
      application_name: `stepwell dispatcher ${name}`,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      // Past this a peer may have taken the shards anyway.
      query_timeout: silentMs,
      keepAlive: true,
      keepAliveInitialDelayMillis: silentMs,
      // Its own, so that it can be cut when the other side is not there to say goodbye.
      stream: () => this.socket,
    });
    this.client.on('error', on.ended);
    this.client.on('end', () => on.ended(new Error('the connection was closed')));
    this.client.on('notification', () => on.changed());
  }

  /** Connects and joins the others. Frees what earlier memberships of this process own: it acts for none of that any more. */
  async join(): Promise<void> {
    const { id, name, boot, schema } = this.options;
    await this.client.connect();
    await migrate(this.client, schema);
    await this.client.query(this.statements.removeEarlier, [boot]);
    await this.client.query(`listen ${schema}_shards`);
    await this.client.query(this.statements.join, [id, name, boot]);
    await this.notify();
  }

  /** Shows that it lives; false when a peer has removed it. */
  async beat(): Promise<boolean> {
    const beaten = await this.client.query(this.statements.beat, [this.id]);
    return beaten.rowCount === 1;
  }

  /** The dispatchers, in an order upon which all agree, and the shards that nobody owns. */
  async membership(): Promise<Membership> {
    const members = await this.client.query<Member>(this.statements.members, [this.options.silentMs]);
    const free = await this.client.query<{ shard: Shard }>(this.statements.free);
    return { members: members.rows, free: free.rows.map(({ shard }) => shard) };
  }

  /** Removes those of these members that are silent still, frees their shards, and gives their names. */
  async remove(ids: readonly string[]): Promise<readonly string[]> {
    const removed = await this.client.query<{ name: string }>(this.statements.remove, [ids, this.options.silentMs]);
    await this.notify();
    return removed.rows.map(({ name }) => name);
  }

  /** Claims those of these shards that are free: fewer, when another was faster. */
  async claim(shards: readonly Shard[]): Promise<readonly ClaimedShard[]> {
    const claimed = await this.client.query<ClaimedShard>(this.statements.claim, [this.id, this.options.name, shards]);
    if (claimed.rows.length > 0) await this.client.query(this.statements.forgetMoves, [MOVES_KEPT]);
    return claimed.rows;
  }

  /** Another may have them. */
  async free(shards: readonly Shard[], reason: 'joined' | 'left'): Promise<void> {
    await this.client.query(this.statements.release, [this.id, shards, reason]);
    await this.notify();
  }

  /** Says goodbye: its row is gone at once. Its shards were free before. */
  async leave(): Promise<void> {
    await this.client.query(this.statements.leave, [this.id]);
    await this.notify();
    this.destroy();
  }

  /** Cuts the connection, whether anybody is there to hear a goodbye or not. */
  destroy(): void {
    this.socket.destroy();
  }

  private async notify(): Promise<void> {
    await this.client.query(`notify ${this.options.schema}_shards`);
  }
}
