import assert from 'node:assert/strict';
import { SHARDS, type Shard } from '#event-store';
import type { Clock, Entropy, Log } from '#runtime';
import { fairShare } from '../fair-share.js';
import { noneTaken, type OwnershipStatus, type ShardHolder, type ShardOwnership } from '../shard-ownership.js';
import { checkedSchema, DISPATCH_SCHEMA } from './dispatch-schema.js';
import {
  OwnershipTables,
  type MemberOfTables,
  type Membership,
  type OwnershipNews,
  type OwnershipTablesOptions,
} from './ownership-tables.js';

export type PostgresShardOwnershipOptions = {
  readonly connectionString: string;
  readonly name: string;
  readonly schema?: string;
  /** All dispatchers of a schema must agree upon these. */
  readonly times?: OwnershipTimes;
  /** In the place of those in Postgres. */
  readonly tablesOf?: (options: OwnershipTablesOptions, on: OwnershipNews) => MemberOfTables;
};

const inPostgres = (options: OwnershipTablesOptions, on: OwnershipNews): MemberOfTables =>
  new OwnershipTables(options, on);

/**
 * How often a holder beats, after what time without one it starts nothing by its own clock, and when a peer may take its shards
 * by the server's. The last two lie apart by more than clocks drift in that time.
 */
export type OwnershipTimes = { readonly beatMs: number; readonly lateMs: number; readonly silentMs: number };

const TIMES: OwnershipTimes = { beatMs: 1_000, lateMs: 5_000, silentMs: 7_000 };
const REJOIN_MIN_MS = 100;
const REJOIN_MAX_MS = 5_000;

type Held = { readonly claim: string; releasing: boolean };

/**
 * Shares the shards fairly among the dispatchers that are alive. A shard is owned by whom its row names; another claims it only
 * when its holder has freed it, or has not beaten for so long that it starts nothing any more: two never both start. When the
 * connection is lost all shards are, and it begins anew. `ownership-model.spec.ts` shows why no lock is needed beside the rows.
 */
export class PostgresShardOwnership implements ShardOwnership {
  private readonly options: Required<PostgresShardOwnershipOptions>;
  private readonly boot: string;
  private holder: ShardHolder | null = null;
  private tables: MemberOfTables | null = null;
  private readonly held = new Map<Shard, Held>();
  private readonly taken = noneTaken();
  private dispatchers = 0;
  /** Members that looked silent at the last look, and since when. */
  private silentSinceMs = new Map<string, number>();
  /** When the last beat that was confirmed was sent: by the clock that measures, and by that of the wall. */
  private shown = { monotonicMs: -Infinity, nowMs: -Infinity };
  private nudge: (() => void) | null = null;
  private nudged = false;
  private turning: Promise<void> = Promise.resolve();
  private rejoining: Promise<void> = Promise.resolve();
  private readonly releases = new Set<Promise<void>>();
  private stopping: Promise<void> | null = null;

  constructor(
    private readonly clock: Clock,
    private readonly entropy: Entropy,
    private readonly log: Log,
    options: PostgresShardOwnershipOptions,
  ) {
    this.options = { schema: DISPATCH_SCHEMA, times: TIMES, tablesOf: inPostgres, ...options };
    const { beatMs, lateMs, silentMs } = this.options.times;
    assert(beatMs < lateMs && lateMs < silentMs, 'a holder starts nothing for a while before it may be ended');
    checkedSchema(this.options.schema);
    this.boot = entropy.hex(8);
  }

  // Computed when asked: a process that was stopped wakes with timers that are long due, and they ask before any beat.
  get mayStart(): boolean {
    return this.tables !== null && this.sinceShownMs() < this.options.times.lateMs;
  }

  /** Joins the others and takes its share. Fails when Postgres cannot be reached. */
  async start(holder: ShardHolder): Promise<void> {
    this.holder = holder;
    const tables = await this.join();
    await this.turn(tables);
    void this.keep(tables);
  }

  stop(): Promise<void> {
    return (this.stopping ??= this.leave());
  }

  status(): OwnershipStatus {
    const { mayStart, dispatchers, taken } = this;
    return { shards: [...this.held.keys()], mayStart, dispatchers, taken: { ...taken } };
  }

  /** Proves that a shard is held: a write under a claim that is over has no effect. `null` when it is not held. */
  claimOf(shard: Shard): string | null {
    return this.held.get(shard)?.claim ?? null;
  }

  private async join(): Promise<MemberOfTables> {
    const { connectionString, schema, name, times, tablesOf } = this.options;
    const id = this.entropy.hex(8);
    const tables: MemberOfTables = tablesOf(
      { connectionString, schema, name, boot: this.boot, id, silentMs: times.silentMs },
      {
        ended: (cause) => this.drop(tables, cause),
        changed: () => {
          this.nudged = true;
          this.nudge?.();
        },
      },
    );
    const shown = this.moment();
    try {
      await tables.join();
    } catch (error) {
      tables.destroy();
      throw error;
    }
    this.shown = shown;
    this.tables = tables;
    return tables;
  }

  private async keep(tables: MemberOfTables): Promise<void> {
    while (this.tables === tables) {
      await this.pause(this.options.times.beatMs);
      await this.turn(tables);
    }
  }

  private turn(tables: MemberOfTables): Promise<void> {
    return (this.turning = this.round(tables).catch((error: unknown) => this.drop(tables, error)));
  }

  /** Beats, looks after the others, comes to its share. */
  private async round(tables: MemberOfTables): Promise<void> {
    if (this.tables !== tables) return;
    const shown = this.moment();
    if (this.sinceShownMs() >= this.options.times.silentMs)
      throw new Error('silent for so long that a peer may have taken the shards');
    if (!(await tables.beat())) throw new Error('removed by a peer');
    this.shown = shown;
    const membership = await tables.membership();
    await this.removeSilent(tables, membership);
    if (this.tables === tables && this.stopping === null) await this.balance(tables, membership);
  }

  /**
   * Silent at two looks, a beat apart: when Postgres stood still, or its clock was set forward, all others look silent until they
   * have beaten again.
   */
  private async removeSilent(tables: MemberOfTables, { members }: Membership): Promise<void> {
    const nowMs = this.clock.monotonicMs();
    const before = this.silentSinceMs;
    this.silentSinceMs = new Map();
    for (const { id, silent } of members)
      if (silent && id !== tables.id) this.silentSinceMs.set(id, before.get(id) ?? nowMs);
    const gone = [...this.silentSinceMs].filter(([, sinceMs]) => nowMs - sinceMs >= this.options.times.beatMs);
    if (gone.length === 0) return;
    const dispatchers = await tables.remove(gone.map(([id]) => id));
    if (dispatchers.length > 0) this.log.warn('silent dispatchers removed', { dispatchers });
  }

  private async balance(tables: MemberOfTables, { members, free }: Membership): Promise<void> {
    const alive = members.filter(({ silent }) => !silent);
    this.dispatchers = alive.length;
    const kept = this.kept();
    const missing = fairShare(alive, tables.id, SHARDS) - kept.length;
    if (missing < 0) this.releaseSome(tables, this.holder!.movable(kept).slice(0, -missing), 'joined');
    if (missing <= 0 || free.length === 0) return;
    // Each begins at another place, so that those who take at the same time seldom want the same.
    const rank = alive.findIndex(({ id }) => id === tables.id);
    const from = Math.floor((rank * free.length) / alive.length);
    const wanted = [...free.slice(from), ...free.slice(0, from)].slice(0, missing);
    const claimed = await tables.claim(wanted);
    if (this.tables !== tables || claimed.length === 0) return;
    for (const { shard, claim, reason } of claimed) {
      this.held.set(shard, { claim, releasing: false });
      this.taken[reason] += 1;
    }
    const shards = claimed.map(({ shard }) => shard);
    this.log.info('shards gained', { shards, reasons: [...new Set(claimed.map(({ reason }) => reason))] });
    this.holder!.gained(shards);
  }

  /** Those that are not on their way to another. */
  private kept(): Shard[] {
    return [...this.held].filter(([, { releasing }]) => !releasing).map(([shard]) => shard);
  }

  /** Beats go on meanwhile: letting go in good order takes its time. */
  private releaseSome(tables: MemberOfTables, shards: readonly Shard[], reason: 'joined' | 'left'): void {
    if (shards.length === 0) return;
    for (const shard of shards) this.held.get(shard)!.releasing = true;
    const release = this.release(tables, shards, reason)
      .catch((error: unknown) => this.drop(tables, error))
      .finally(() => this.releases.delete(release));
    this.releases.add(release);
  }

  private async release(tables: MemberOfTables, shards: readonly Shard[], reason: 'joined' | 'left'): Promise<void> {
    const left = new Set(shards);
    const freeing: Promise<void>[] = [];
    const free = (gone: readonly Shard[]): void => {
      // Lost in the meantime, and perhaps gained anew.
      if (this.tables !== tables || gone.length === 0) return;
      for (const shard of gone) {
        left.delete(shard);
        this.held.delete(shard);
      }
      // Not only when all are gone: a failure that nobody has waited for yet would end the process.
      freeing.push(tables.free(gone, reason).catch((error: unknown) => this.drop(tables, error)));
    };
    try {
      await this.holder!.release(shards, free);
    } catch (error) {
      const stuck = [...left];
      this.log.error('shards were not released in good order', { shards: stuck, err: error });
      if (this.tables === tables) this.holder!.lost(stuck);
      free(stuck);
    }
    // Nothing stays at a stop, though it was asked to go before.
    if (this.stopping !== null) free([...left]);
    else if (this.tables === tables) for (const shard of left) this.held.get(shard)!.releasing = false;
    await Promise.all(freeing);
  }

  private drop(tables: MemberOfTables, cause: unknown): void {
    tables.destroy();
    if (this.tables !== tables) return;
    this.tables = null;
    const shards = [...this.held.keys()];
    this.held.clear();
    this.log.warn('the connection to the table of shards is lost, and the shards with it', {
      shards: shards.length,
      err: cause,
    });
    if (shards.length > 0) this.holder!.lost(shards);
    this.nudge?.();
    this.rejoining = this.rejoin();
  }

  private async rejoin(): Promise<void> {
    for (let waitMs = REJOIN_MIN_MS; ; waitMs = Math.min(waitMs * 2, REJOIN_MAX_MS)) {
      await this.pause(waitMs);
      if (this.stopping !== null) return;
      try {
        void this.keep(await this.join());
        return;
      } catch (error) {
        this.log.warn('Postgres cannot be reached: no shards', { err: error });
      }
    }
  }

  private async leave(): Promise<void> {
    this.nudge?.();
    await this.rejoining;
    // A round that was under way may have gained some still.
    await this.turning;
    const { tables } = this;
    if (tables === null) return;
    this.releaseSome(tables, this.kept(), 'left');
    await Promise.all(this.releases);
    if (this.tables !== tables) return;
    this.tables = null;
    this.nudge?.();
    await tables.leave().catch((error: unknown) => {
      this.log.warn('could not say goodbye; the others find out', { err: error });
      tables.destroy();
    });
  }

  private moment(): { readonly monotonicMs: number; readonly nowMs: number } {
    return { monotonicMs: this.clock.monotonicMs(), nowMs: this.clock.nowMs() };
  }

  /** By the clock that says more: the measuring one stands still while the machine sleeps, the other may go back. */
  private sinceShownMs(): number {
    const { monotonicMs, nowMs } = this.moment();
    return Math.max(monotonicMs - this.shown.monotonicMs, nowMs - this.shown.nowMs);
  }

  private pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        cancel();
        this.nudge = null;
        this.nudged = false;
        resolve();
      };
      const cancel = this.clock.after(this.nudged ? 0 : ms, end);
      this.nudge = end;
    });
  }
}
