import type { Grant } from '#domain';
import { LogFollower, type Committed, type Origin, type RunEngine, type RunId } from '#engine';
import {
  ALL_SHARDS,
  prefixesOf,
  runIdOf,
  shardOf,
  type Commit,
  type EventStore,
  type Position,
  type Shard,
} from '#event-store';
import type { Clock, Entropy, Log } from '#runtime';
import { OpenRunsFull, type OpenRuns } from '../open-runs/open-runs.js';
import type { RunDues } from '../run-dues.js';
import { takeOver } from '../take-over.js';
import { Doubts } from './doubts.js';
import type { ShardHolder, ShardOwnership } from './shard-ownership.js';

const TAKE_OVER_AGAIN_MS = 1_000;
const MAY_START_CHECK_MS = 1_000;
/** How often a shard that is to go is looked at: whether its attempts have ended. */
const RELEASE_LOOK_MS = 50;

/**
 * How long new attempts of a shard wait at most for the end of those in flight, so that it can go; and for how long it is
 * not asked again when that was too short.
 */
export type ReleaseTimes = { readonly waitMs: number; readonly againMs: number };
const RELEASE_TIMES: ReleaseTimes = { waitMs: 30_000, againMs: 60_000 };

/** A shard that is ours. What it is to us goes with this object: gained again it is another. */
type Owned = {
  readonly shard: Shard;
  /** Fresh each time: attempts that were made before a loss have no outcome known here. */
  readonly granted: Grant;
  /** Of the log at the take-over; past it we act. `null` until it is done. */
  head: Position | null;
  /** Commits up to here are known, whatever the subscription says again. */
  followed: Position;
  /** To go to another: its runs are given no new attempts. */
  releasing: boolean;
  /** Runs that were refused an attempt meanwhile. */
  readonly postponed: Set<RunId>;
  /** By the monotonic clock: not asked to go before. */
  movableMs: number;
};

/** What is under way for shards, as far as it keeps them from going. */
export interface ShardTraffic {
  /**
   * The shards that have attempts in flight, or outcomes that are not recorded yet; and until when, by the monotonic clock, the
   * last of them may take.
   */
  busyUntil(): ReadonlyMap<Shard, number>;
  /** Cuts them off; nobody records what comes of them. */
  abandon(isOurs: (runId: RunId) => boolean): void;
}

export type OwnedShardsParts = {
  readonly store: EventStore;
  readonly engine: RunEngine;
  readonly openRuns: OpenRuns;
  readonly ownership: ShardOwnership;
  readonly dues: RunDues;
  readonly traffic: ShardTraffic;
  /** Of this dispatcher, in its grants. */
  readonly name: string;
  readonly releaseTimes?: ReleaseTimes | undefined;
};

/**
 * The shards that this process owns, from gain to loss: takes their runs over from the table, follows the log for them
 * by one subscription, says which of their runs may be given attempts, and lets go of them.
 */
export class OwnedShards implements ShardHolder {
  /** By shard. */
  private readonly owned: (Owned | null)[] = ALL_SHARDS.map(() => null);
  private follower: LogFollower | null = null;
  private readonly doubts: Doubts;
  /** Refused an attempt because we have not shown of late that we live. */
  private readonly refused = new Set<RunId>();
  private cancelCheck: (() => void) | null = null;
  private takingOver: Promise<unknown> = Promise.resolve();
  private started = false;
  private stopped = false;
  private leaving = false;

  /** Of what the owner of the shards decides. */
  get origin(): Origin {
    return { actor: this.parts.name, traceparent: null };
  }

  constructor(
    private readonly parts: OwnedShardsParts,
    private readonly clock: Clock,
    private readonly entropy: Entropy,
    private readonly log: Log,
  ) {
    this.doubts = new Doubts(clock, log, (runId) => parts.dues.wakeSoon(runId));
  }

  /** Resolves when the shards that were to be had at once are taken over; fails when they cannot be. */
  async start(): Promise<void> {
    await this.parts.ownership.start(this);
    await this.takingOver;
    this.started = true;
  }

  /** The log is followed no more: what comes in from now on is the next owner's. */
  async unfollow(): Promise<void> {
    this.stopped = true;
    this.cancelCheck?.();
    this.doubts.drop(() => true);
    await this.follower?.stop();
  }

  /** Gives all back, rows and checkpoints written. Nothing is in flight any more. */
  stop(): Promise<void> {
    this.leaving = true;
    return this.parts.ownership.stop();
  }

  /** How many are ours, and how many of them we act for. */
  get counts(): { readonly owned: number; readonly acting: number } {
    const owned = this.all();
    return { owned: owned.length, acting: owned.filter(isActing).length };
  }

  gained(shards: readonly Shard[]): void {
    const gained = shards.map((shard): Owned => {
      const granted = { dispatcher: this.parts.name, boot: this.entropy.hex(8) };
      const unasked = { releasing: false, postponed: new Set<RunId>(), movableMs: -Infinity };
      return { shard, granted, head: null, followed: -1 as Position, ...unasked };
    });
    for (const own of gained) this.owned[own.shard] = own;
    this.takingOver = Promise.all([this.takingOver, this.takeOver(gained)]);
    // The start hears of a failure; later ones are tried again until they succeed.
    if (this.started) this.takingOver.catch(() => undefined);
  }

  movable(shards: readonly Shard[]): readonly Shard[] {
    const nowMs = this.clock.monotonicMs();
    const busyUntil = this.parts.traffic.busyUntil();
    const untilMs = (shard: Shard): number => busyUntil.get(shard) ?? -Infinity;
    return this.ownedOf(shards)
      .filter(({ movableMs }) => movableMs <= nowMs)
      .map(({ shard }) => shard)
      .sort((a, b) => (untilMs(a) < untilMs(b) ? -1 : 1));
  }

  async release(shards: readonly Shard[], gone: (shards: readonly Shard[]) => void): Promise<void> {
    const untilMs = this.clock.monotonicMs() + this.times.waitMs;
    let going = this.ownedOf(shards);
    for (const own of going) own.releasing = true;
    for (;;) {
      const idle = this.atRest(going);
      if (idle.length > 0) {
        await this.parts.dues.flush();
        const still = idle.filter((own) => this.isOwned(own));
        this.drop(still);
        gone(still.map(({ shard }) => shard));
      }
      going = going.filter((own) => this.isOwned(own));
      if (this.clock.monotonicMs() >= untilMs) going = this.keep(going);
      if (going.length === 0) return;
      await new Promise<void>((resolve) => this.clock.after(RELEASE_LOOK_MS, resolve));
    }
  }

  lost(shards: readonly Shard[]): void {
    this.drop(this.ownedOf(shards));
  }

  /** Ours, though perhaps about to go: what comes of its attempts is recorded. */
  holds(runId: RunId): boolean {
    return this.ownOf(runId) !== null;
  }

  bootOf(runId: RunId): string | null {
    const own = this.ownOf(runId);
    return own !== null && isActing(own) ? own.granted.boot : null;
  }

  /** The grant under which attempts of the run are made now; `null` when none may be. */
  grantFor(runId: RunId): Grant | null {
    const own = this.ownOf(runId);
    if (own?.releasing === true) own.postponed.add(runId);
    if (own === null || !isActing(own)) return null;
    if (this.doubts.has(runId)) return null;
    return this.mayStart(runId) ? own.granted : null;
  }

  /**
   * Whether the first byte of an attempt may leave now. Asked again after its start was committed, since that and a
   * connection take their time: a process that was stopped meanwhile wakes with both, before it hears that others act for the run.
   * A shard that is to go waits for it.
   */
  mayBegin(runId: RunId): boolean {
    return (this.ownOf(runId)?.head ?? null) !== null && this.parts.ownership.mayStart;
  }

  inherits(runId: RunId, startedAt: Position): boolean {
    const head = this.ownOf(runId)?.head ?? null;
    if (head === null || !this.mayStart(runId)) return false;
    return this.doubts.isSure(runId, startedAt, head);
  }

  /** A commit of our own making. */
  committed({ position }: Committed): void {
    // Alone on the log, our own commits are all there is to follow. Beside others, theirs may stand before it, unread.
    if (this.follower === null) this.parts.dues.reached(position);
  }

  private ownOf(runId: RunId): Owned | null {
    return this.owned[shardOf(runId)] ?? null;
  }

  private ownedOf(shards: readonly Shard[]): Owned[] {
    return shards.map((shard) => this.owned[shard] ?? null).filter((own) => own !== null);
  }

  private all(): Owned[] {
    return this.owned.filter((own) => own !== null);
  }

  private mayStart(runId: RunId): boolean {
    if (this.parts.ownership.mayStart) return true;
    this.refused.add(runId);
    this.cancelCheck ??= this.clock.after(MAY_START_CHECK_MS, () => this.offerAgain());
    return false;
  }

  private offerAgain(): void {
    this.cancelCheck = null;
    if (this.stopped || this.refused.size === 0) return;
    if (!this.parts.ownership.mayStart) {
      this.cancelCheck = this.clock.after(MAY_START_CHECK_MS, () => this.offerAgain());
      return;
    }
    const refused = [...this.refused];
    this.refused.clear();
    for (const runId of refused) if (this.holds(runId)) this.parts.dues.wakeSoon(runId);
  }

  /**
   * Those of which nothing is in flight, nor under way to the log, which may begin an attempt. At a stop all: the engine has
   * stopped before, and nothing comes of what the log has not taken by then.
   */
  private atRest(going: readonly Owned[]): readonly Owned[] {
    if (this.leaving) return going;
    const busy = new Set(this.parts.traffic.busyUntil().keys());
    for (const runId of this.parts.engine.shared?.underWay() ?? []) busy.add(shardOf(runId));
    return going.filter(({ shard }) => !busy.has(shard));
  }

  /** Gives the release up of those that have been taken over, and are acted for again. The others go on: nobody would take them over. */
  private keep(going: readonly Owned[]): Owned[] {
    if (this.leaving) return [...going];
    const staying = going.filter(({ head }) => head !== null);
    for (const own of staying) {
      own.releasing = false;
      own.movableMs = this.clock.monotonicMs() + this.times.againMs;
      for (const runId of own.postponed) this.parts.dues.wakeSoon(runId);
      own.postponed.clear();
    }
    if (staying.length > 0)
      this.log.info('shards stay for now: attempts of their runs take long', { shards: staying.length });
    return going.filter(({ head }) => head === null);
  }

  private isOwned(own: Owned): boolean {
    return this.owned[own.shard] === own;
  }

  private get times(): ReleaseTimes {
    return this.parts.releaseTimes ?? RELEASE_TIMES;
  }

  private async takeOver(gained: readonly Owned[]): Promise<void> {
    for (;;) {
      const ours = gained.filter((own) => this.isOwned(own) && !own.releasing);
      if (ours.length === 0 || this.stopped) return;
      try {
        const head = await takeOver(
          this.parts.store,
          this.parts.openRuns,
          this.log,
          ours.map(({ shard }) => shard),
        );
        return this.act(ours, head);
      } catch (error) {
        if (!this.started) {
          if (!(error instanceof OpenRunsFull)) throw error;
          this.takeOverLater(gained, error);
          return;
        }
        this.log.error('shards could not be taken over; trying again', { shards: ours.length, err: error });
      }
      await new Promise<void>((resolve) => this.clock.after(TAKE_OVER_AGAIN_MS, resolve));
    }
  }

  /** Of a start on a full disk: others read what is there meanwhile. */
  private takeOverLater(gained: readonly Owned[], error: OpenRunsFull): void {
    this.log.error('runs are taken over once there is room for the table of open runs', { err: error });
    this.clock.after(TAKE_OVER_AGAIN_MS, () => {
      this.takingOver = this.takeOver(gained);
    });
  }

  /** The table tells of everything up to the head: from here on the log is followed, and the runs are acted for. */
  private act(taken: readonly Owned[], head: Position): void {
    const ours = taken.filter((own) => this.isOwned(own) && !own.releasing);
    if (ours.length === 0 || this.stopped) return;
    for (const own of ours) {
      own.head = head;
      own.followed = head;
    }
    const from = this.follow(head, ours);
    const shards = ours.map(({ shard }) => shard);
    this.parts.dues.gained(shards, from);
    this.log.info('shards are taken over', { shards: shards.length, owned: this.all().length });
  }

  /** One subscription for all that are followed, from where the one that is behind stands; the others skip what they know. */
  private follow(head: Position | null, joining: readonly Owned[]): Position {
    const { follower } = this;
    const reached = follower?.position ?? head ?? (-1 as Position); // with neither, nothing is followed
    if (this.parts.engine.shared === null || this.stopped) return reached;
    void follower?.stop();
    const followed = this.all().filter((own) => own.head !== null);
    if (follower !== null) {
      for (const own of followed)
        if (!joining.includes(own) && own.followed < follower.position) own.followed = follower.position;
    }
    const from = head !== null && head < reached ? head : reached;
    this.follower =
      followed.length === 0
        ? null
        : new LogFollower(this.parts.store, this.clock, this.log, {
            after: from,
            // Not our own commits: of those we know.
            filter: { prefixes: prefixesOf(followed.map(({ shard }) => shard)), audience: 'owner' },
            gatherMs: () => this.parts.engine.counts.gatherMs,
            onCommits: (commits, position) => this.observe(commits, position),
            onCaughtUp: () => this.parts.dues.reached(this.follower?.position ?? from),
          });
    return from;
  }

  private observe(commits: readonly Commit[], position: Position): void {
    for (const commit of commits) {
      // A reason for the cast: the filter lets runs through alone, and the names of their streams hold their ids.
      const runId = runIdOf(commit.stream) as RunId;
      const own = this.ownOf(runId);
      if (own === null || own.head === null || commit.position <= own.followed) continue;
      // Until somebody has looked at it the run is due now: the checkpoint may pass it.
      this.parts.dues.unread(runId, commit.firstRevision === 0);
      this.parts.engine.shared?.observe(runId, commit);
    }
    this.parts.dues.reached(position);
  }

  /** Nothing of them is ours any more, from this very turn on. */
  private drop(going: readonly Owned[]): void {
    if (going.length === 0) return;
    const shards = new Set(going.map(({ shard }) => shard));
    const isOurs = inOneOf(shards);
    for (const shard of shards) this.owned[shard] = null;
    this.parts.traffic.abandon(isOurs);
    this.parts.engine.shared?.releaseRuns(isOurs);
    this.parts.dues.drop(shards);
    this.doubts.drop(isOurs);
    for (const runId of this.refused) if (isOurs(runId)) this.refused.delete(runId);
    this.follow(null, []);
  }
}

const isActing = (own: Owned): boolean => own.head !== null && !own.releasing;

const inOneOf =
  (shards: ReadonlySet<Shard>) =>
  (runId: RunId): boolean =>
    shards.has(shardOf(runId));
