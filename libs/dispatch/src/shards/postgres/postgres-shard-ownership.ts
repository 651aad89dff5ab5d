import assert from 'node:assert/strict';
import { SHARDS, type Shard } from '#event-store';
import type { Clock, Entropy, Log } from '#runtime';
import { fairShare } from '../fair-share.js';
import { noneTaken, type OwnershipStatus, type ShardHolder, type ShardOwnership } from '../shard-ownership.js';
import { checkedSchema, DISPATCH_SCHEMA } from './dispatch-schema.js';
import { OwnershipSession, type Survey } from './ownership-session.js';

export type PostgresShardOwnershipOptions = {
  /** A direct connection, or a pooler that gives each client a session of its own. */
  readonly connectionString: string;
  readonly name: string;
  readonly schema?: string;
  /** All dispatchers of a schema must agree upon these. */
  readonly times?: OwnershipTimes;
};

/** How often a holder beats, after what time without one it starts nothing, and when a peer may end it. */
export type OwnershipTimes = { readonly beatMs: number; readonly lateMs: number; readonly silentMs: number };

const TIMES: OwnershipTimes = { beatMs: 1_000, lateMs: 5_000, silentMs: 10_000 };
const REJOIN_MIN_MS = 100;
const REJOIN_MAX_MS = 5_000;

type Held = { readonly claim: string; releasing: boolean };

/**
 * Shares the shards fairly among the dispatchers that are alive, by an advisory lock a shard, held by a session. A shard
 * goes to another only when its holder has released it, or has been unable to show for so long that it lives that it
 * starts nothing any more: two never both start. When the session is lost all shards are, and it begins anew.
 */
export class PostgresShardOwnership implements ShardOwnership {
  private readonly options: Required<PostgresShardOwnershipOptions>;
  private readonly boot: string;
  private holder: ShardHolder | null = null;
  private session: OwnershipSession | null = null;
  private readonly held = new Map<Shard, Held>();
  private readonly taken = noneTaken();
  private dispatchers = 0;
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
    this.options = { schema: DISPATCH_SCHEMA, times: TIMES, ...options };
    const { beatMs, lateMs, silentMs } = this.options.times;
    assert(beatMs < lateMs && lateMs < silentMs, 'a holder starts nothing for a while before it may be ended');
    checkedSchema(this.options.schema);
    this.boot = entropy.hex(8);
  }

  // Computed when asked: a process that was stopped wakes with timers that are long due, and they ask before any beat.
  get mayStart(): boolean {
    return this.session !== null && this.sinceShownMs() < this.options.times.lateMs;
  }

  /** Joins the others and takes its share. Fails when Postgres cannot be reached. */
  async start(holder: ShardHolder): Promise<void> {
    this.holder = holder;
    const session = await this.join();
    await this.turn(session);
    void this.keep(session);
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

  private async join(): Promise<OwnershipSession> {
    const { connectionString, schema, name, times } = this.options;
    const id = this.entropy.hex(8);
    const session: OwnershipSession = new OwnershipSession(
      { connectionString, schema, name, boot: this.boot, id, lateMs: times.lateMs, silentMs: times.silentMs },
      {
        ended: (cause) => this.drop(session, cause),
        told: () => {
          this.nudged = true;
          this.nudge?.();
        },
      },
    );
    const shown = this.moment();
    try {
      const { pooled } = await session.join();
      if (pooled) this.log.warn('a pooler is between here and Postgres: it must keep one session a client');
    } catch (error) {
      session.destroy();
      throw error;
    }
    this.shown = shown;
    this.session = session;
    return session;
  }

  private async keep(session: OwnershipSession): Promise<void> {
    while (this.session === session) {
      await this.pause(this.options.times.beatMs);
      await this.turn(session);
    }
  }

  private turn(session: OwnershipSession): Promise<void> {
    return (this.turning = this.round(session).catch((error: unknown) => this.drop(session, error)));
  }

  /** Beats, looks after the others, comes to its share. */
  private async round(session: OwnershipSession): Promise<void> {
    if (this.session !== session) return;
    const shown = this.moment();
    if (this.sinceShownMs() >= this.options.times.silentMs)
      throw new Error('silent for so long that a peer may end it');
    if (!(await session.beat())) throw new Error('ended by a peer, or on a pooled connection that is no session');
    this.shown = shown;
    const survey = await session.survey();
    await this.buryOthers(session, survey);
    if (this.session === session && this.stopping === null) await this.balance(session, survey);
  }

  private async buryOthers(session: OwnershipSession, { members }: Survey): Promise<void> {
    const others = members.filter(({ id }) => id !== session.id);
    const silent = others.filter((member) => member.silent && !member.gone).map(({ id }) => id);
    if (silent.length > 0) {
      const ended = await session.end(silent);
      if (ended === null) this.log.error('a silent dispatcher cannot be ended: all must use one role of the database');
      else this.log.warn('silent dispatchers ended', { dispatchers: ended });
    }
    const gone = others.filter((member) => member.gone && member.late).map(({ id }) => id);
    if (gone.length > 0) await session.remove(gone);
  }

  private async balance(session: OwnershipSession, { members, free }: Survey): Promise<void> {
    const alive = members.filter(({ silent, gone }) => !silent && !gone);
    this.dispatchers = alive.length;
    const kept = this.kept();
    const missing = fairShare(alive, session.id, SHARDS) - kept.length;
    if (missing < 0) this.letGo(session, this.holder!.movable(kept).slice(0, -missing), 'joined');
    if (missing <= 0 || free.length === 0) return;
    // Each begins at another place, so that those who take at the same time seldom want the same.
    const rank = alive.findIndex(({ id }) => id === session.id);
    const from = Math.floor((rank * free.length) / alive.length);
    const wanted = [...free.slice(from), ...free.slice(0, from)].slice(0, missing);
    const claimed = await session.claim(wanted);
    if (this.session !== session || claimed.length === 0) return;
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
  private letGo(session: OwnershipSession, shards: readonly Shard[], reason: 'joined' | 'left'): void {
    if (shards.length === 0) return;
    for (const shard of shards) this.held.get(shard)!.releasing = true;
    const release = this.release(session, shards, reason)
      .catch((error: unknown) => this.drop(session, error))
      .finally(() => this.releases.delete(release));
    this.releases.add(release);
  }

  private async release(session: OwnershipSession, shards: readonly Shard[], reason: 'joined' | 'left'): Promise<void> {
    const left = new Set(shards);
    const freeing: Promise<void>[] = [];
    const free = (gone: readonly Shard[]): void => {
      // Lost in the meantime, and perhaps gained anew.
      if (this.session !== session || gone.length === 0) return;
      for (const shard of gone) {
        left.delete(shard);
        this.held.delete(shard);
      }
      freeing.push(session.free(gone, reason));
    };
    try {
      await this.holder!.release(shards, free);
    } catch (error) {
      const stuck = [...left];
      this.log.error('shards were not released in good order', { shards: stuck, err: error });
      if (this.session === session) this.holder!.lost(stuck);
      free(stuck);
    }
    // Nothing stays at a stop, though it was asked to go before.
    if (this.stopping !== null) free([...left]);
    else if (this.session === session) for (const shard of left) this.held.get(shard)!.releasing = false;
    await Promise.all(freeing);
  }

  private drop(session: OwnershipSession, cause: unknown): void {
    session.destroy();
    if (this.session !== session) return;
    this.session = null;
    const shards = [...this.held.keys()];
    this.held.clear();
    this.log.warn('the session that holds the shards is lost', { shards: shards.length, err: cause });
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
    const { session } = this;
    if (session === null) return;
    this.letGo(session, this.kept(), 'left');
    await Promise.all(this.releases);
    if (this.session !== session) return;
    this.session = null;
    this.nudge?.();
    await session.leave().catch((error: unknown) => {
      this.log.warn('could not say goodbye; the others find out', { err: error });
      session.destroy();
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
