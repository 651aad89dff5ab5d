import type { MoveReason } from '#dispatch';
import { ALL_SHARDS, type Shard } from '#event-store';
import type {
  ClaimedShard,
  MemberOfTables,
  Membership,
  OwnershipNews,
  OwnershipTablesOptions,
} from '../../libs/dispatch/src/testing/doors.js';
import type { SimulatedProcess, Surroundings } from './simulated-process.js';

type Member = { readonly name: string; readonly boot: string; beatMs: number };
type Row = { owner: string | null; reason: MoveReason };

const WIRE_MS = 5;

/** Which dispatcher owns which shard, as the rows say: what the statements of the tables do, without a server. */
export class ShardTable {
  private readonly members = new Map<string, Member>();
  private readonly rows = new Map<Shard, Row>(ALL_SHARDS.map((shard) => [shard, { owner: null, reason: 'joined' }]));
  /** Who owned each shard since when, by name. */
  private readonly owners = new Map<Shard, { readonly fromMs: number; readonly name: string | null }[]>();
  private claims = 0;
  readonly listeners = new Set<() => void>();

  constructor(private readonly world: Surroundings) {}

  /** Who owned the shard at that time. */
  ownerAt(shard: Shard, atMs: number): string | null {
    return this.owners.get(shard)?.findLast(({ fromMs }) => fromMs <= atMs)?.name ?? null;
  }

  join(id: string, name: string, boot: string): void {
    for (const [earlier, member] of this.members) if (member.boot === boot) this.drop(earlier, 'died');
    this.members.set(id, { name, boot, beatMs: this.world.time.monotonicMs() });
    this.notify();
  }

  beat(id: string): boolean {
    const member = this.members.get(id);
    if (member !== undefined) member.beatMs = this.world.time.monotonicMs();
    return member !== undefined;
  }

  membership(silentMs: number): Membership {
    const counts = new Map<string, number>();
    const free: Shard[] = [];
    for (const [shard, { owner }] of this.rows) {
      if (owner === null) free.push(shard);
      else counts.set(owner, (counts.get(owner) ?? 0) + 1);
    }
    const members = [...this.members].map(([id, { name }]) => ({
      id,
      name,
      shards: counts.get(id) ?? 0,
      silent: this.isSilent(id, silentMs),
    }));
    return { members, free };
  }

  remove(ids: readonly string[], silentMs: number): readonly string[] {
    const removed = ids.filter((id) => this.isSilent(id, silentMs));
    const names = removed.map((id) => this.members.get(id)!.name);
    for (const id of removed) this.drop(id, 'silent');
    this.notify();
    return names;
  }

  claim(id: string, shards: readonly Shard[]): readonly ClaimedShard[] {
    if (!this.members.has(id)) throw new Error('no such member');
    const claimed: ClaimedShard[] = [];
    for (const shard of shards) {
      const row = this.rows.get(shard)!;
      if (row.owner !== null) continue;
      row.owner = id;
      this.owned(shard, this.members.get(id)!.name);
      claimed.push({ shard, claim: String(++this.claims), reason: row.reason });
    }
    return claimed;
  }

  free(id: string, shards: readonly Shard[], reason: MoveReason): void {
    for (const shard of shards) {
      const row = this.rows.get(shard)!;
      if (row.owner !== id) continue;
      this.rows.set(shard, { owner: null, reason });
      this.owned(shard, null);
    }
    this.notify();
  }

  leave(id: string): void {
    this.drop(id, 'left');
    this.notify();
  }

  private drop(id: string, reason: MoveReason): void {
    this.members.delete(id);
    for (const [shard, { owner }] of this.rows) {
      if (owner !== id) continue;
      this.rows.set(shard, { owner: null, reason });
      this.owned(shard, null);
    }
  }

  private owned(shard: Shard, name: string | null): void {
    const known = this.owners.get(shard) ?? [];
    known.push({ fromMs: this.world.time.nowMs(), name });
    this.owners.set(shard, known);
  }

  private isSilent(id: string, silentMs: number): boolean {
    const member = this.members.get(id);
    return member !== undefined && this.world.time.monotonicMs() - member.beatMs > silentMs;
  }

  private notify(): void {
    for (const listener of [...this.listeners]) listener();
  }
}

/** One process's way to the table of shards, as one member. */
export const tablesOf =
  (table: ShardTable, process: SimulatedProcess) =>
  ({ id, name, boot, silentMs }: OwnershipTablesOptions, on: Pick<OwnershipNews, 'changed'>): MemberOfTables => {
    const listener = (): void => process.enterAfter(process.delayMs(WIRE_MS), on.changed);
    const asked = <Answer>(ask: () => Answer): Promise<Answer> =>
      process.ask(WIRE_MS, () => {
        if (process.isCutFromTable) throw new Error('the table of shards cannot be reached');
        return ask();
      });
    const destroy = (): void => void table.listeners.delete(listener);
    return {
      id,
      destroy,
      join: () =>
        asked(() => {
          table.join(id, name, boot);
          table.listeners.add(listener);
        }),
      beat: () => asked(() => table.beat(id)),
      membership: () => asked(() => table.membership(silentMs)),
      remove: (ids) => asked(() => table.remove(ids, silentMs)),
      claim: (shards) => asked(() => table.claim(id, shards)),
      free: (shards, reason) => asked(() => table.free(id, shards, reason)),
      leave: () =>
        asked(() => {
          destroy();
          table.leave(id);
        }),
    };
  };
