import pg from 'pg';
import { SHARDS, type Shard } from '#event-store';
import { silentLog, systemClock, systemEntropy, type Clock } from '#runtime';
import { eventually } from '../../../../test/support/pause.js';
import {
  PostgresShardOwnership,
  type OwnershipTimes,
  type PostgresShardOwnershipOptions,
} from '../shards/postgres/postgres-shard-ownership.js';
import type { ShardHolder } from '../shards/shard-ownership.js';

const SAMPLE_EVERY_MS = 2;

/** A dispatcher with nothing to do but to own shards, which it lets go of when the test lets it. */
export class ShardOwner implements ShardHolder {
  readonly shards = new Set<Shard>();
  readonly heard: string[] = [];
  readonly ownership: PostgresShardOwnership;
  /** What a release waits for. */
  releasing: Promise<void> = Promise.resolve();
  /** Shards whose attempts take too long: they stay. */
  staying: (shard: Shard) => boolean = () => false;
  mayStartWhenLost: boolean | null = null;

  constructor(
    readonly name: string,
    clock: Clock,
    options: Omit<PostgresShardOwnershipOptions, 'name'>,
  ) {
    this.ownership = new PostgresShardOwnership(clock, systemEntropy, silentLog, { name, ...options });
  }

  gained(shards: readonly Shard[]): void {
    this.heard.push(`gained ${shards.length}`);
    for (const shard of shards) this.shards.add(shard);
  }

  movable(shards: readonly Shard[]): readonly Shard[] {
    return shards;
  }

  async release(shards: readonly Shard[], gone: (shards: readonly Shard[]) => void): Promise<void> {
    this.heard.push(`release ${shards.length}`);
    await this.releasing;
    const going = shards.filter((shard) => !this.staying(shard));
    for (const shard of going) this.shards.delete(shard);
    gone(going);
  }

  lost(shards: readonly Shard[]): void {
    this.heard.push(`lost ${shards.length}`);
    this.mayStartWhenLost = this.ownership.mayStart;
    for (const shard of shards) this.shards.delete(shard);
  }
}

/** Several owners on one database, watched: whenever two might start steps of the same shard, it is noted. */
export class ShardOwners {
  readonly owners: ShardOwner[] = [];
  readonly doubles: string[] = [];
  private readonly observer: pg.Client;
  private watching: ReturnType<typeof setInterval> | null = null;

  constructor(
    private readonly url: string,
    private readonly times: OwnershipTimes | undefined,
  ) {
    this.observer = new pg.Client({ connectionString: url });
    this.observer.on('error', () => undefined);
  }

  async start(): Promise<this> {
    await this.observer.connect();
    this.watching = setInterval(() => this.look(), SAMPLE_EVERY_MS);
    return this;
  }

  async add(
    name: string,
    { url = this.url, clock = systemClock, schema }: { url?: string; clock?: Clock; schema?: string } = {},
  ): Promise<ShardOwner> {
    const owner = new ShardOwner(name, clock, {
      connectionString: url,
      ...(this.times === undefined ? {} : { times: this.times }),
      ...(schema === undefined ? {} : { schema }),
    });
    this.owners.push(owner);
    await owner.ownership.start(owner);
    return owner;
  }

  /** Waits until these have all shards among them, in fair parts; gives the time that it took. */
  async fair(...owners: readonly ShardOwner[]): Promise<number> {
    const sinceMs = performance.now();
    const [floor, ceiling] = [Math.floor(SHARDS / owners.length), Math.ceil(SHARDS / owners.length)];
    const isFair = ({ shards }: ShardOwner): boolean => shards.size === floor || shards.size === ceiling;
    await eventually(`a fair sharing among ${owners.map(({ name }) => name).join(', ')}`, async () => {
      const all = new Set(owners.flatMap(({ shards }) => [...shards]));
      return all.size === SHARDS && owners.every(isFair) ? true : null;
    });
    return performance.now() - sinceMs;
  }

  /** How many shards came to whom, from whom, and why, since it was asked last. */
  async moves(): Promise<Readonly<Record<string, number>>> {
    const { rows } = await this.observer.query<{ from: string | null; to: string; reason: string; shards: number }>(
      `with taken as (delete from stepwell_dispatch.shard_moves returning *)
       select from_dispatcher as from, to_dispatcher as to, reason, count(*)::integer as shards from taken group by 1, 2, 3`,
    );
    return Object.fromEntries(rows.map(({ from, to, reason, shards }) => [`${from} → ${to}, ${reason}`, shards]));
  }

  /** By the table: how many shards each dispatcher owns. */
  async owned(): Promise<Readonly<Record<string, number>>> {
    const { rows } = await this.observer.query<{ name: string; shards: number }>(
      `select name, count(*)::integer as shards from stepwell_dispatch.shards
       join stepwell_dispatch.dispatchers on id = owner group by name`,
    );
    return Object.fromEntries(rows.map(({ name, shards }) => [name, shards]));
  }

  async query<Row extends pg.QueryResultRow>(statement: string, values: readonly unknown[] = []): Promise<Row[]> {
    return (await this.observer.query<Row>(statement, [...values])).rows;
  }

  async stop(): Promise<void> {
    await Promise.all(this.owners.map(({ ownership }) => ownership.stop()));
    if (this.watching !== null) clearInterval(this.watching);
    await this.observer.end();
  }

  private look(): void {
    const starters = new Map<Shard, string>();
    for (const { name, shards, ownership } of this.owners) {
      if (!ownership.mayStart) continue;
      for (const shard of shards) {
        const other = starters.get(shard);
        if (other !== undefined) this.doubles.push(`${shard}: ${other} and ${name}`);
        starters.set(shard, name);
      }
    }
  }
}
