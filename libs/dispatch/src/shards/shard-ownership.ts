import type { Shard } from '#event-store';

/** What the owner of shards does as they come and go. */
export interface ShardHolder {
  /** They are this process's from now on: it takes their runs over, and acts when it has. */
  gained(shards: readonly Shard[]): void;
  /** Which of these may be asked to go now, the easiest first. */
  movable(shards: readonly Shard[]): readonly Shard[];
  /**
   * They are to go to another. Lets go of each in good order, when no attempt of its runs is in flight, and then calls `gone`: it
   * acts for it no more. Resolves when that is so of all; one of which the attempts take too long stays, and is acted for as before.
   */
  release(shards: readonly Shard[], gone: (shards: readonly Shard[]) => void): Promise<void>;
  /** They were taken away: another may act for them already. */
  lost(shards: readonly Shard[]): void;
}

/** Which shards this process owns. A shard has one owner at a time; a zombie is fenced by the revisions of the log. */
export interface ShardOwnership {
  start(holder: ShardHolder): Promise<void>;
  /** Releases all, so that another may take them at once; what is in flight has ended before. Idempotent. */
  stop(): Promise<void>;
  /** False when this process has not shown for a while that it lives: it starts nothing until it has. */
  readonly mayStart: boolean;
  status(): OwnershipStatus;
}

/**
 * Why a shard came to its owner: its share grew as dispatchers came or went in good order (`joined`, `left`), the holder
 * did not beat for too long (`silent`), or lost its way to the table and began anew (`died`).
 */
export type MoveReason = 'joined' | 'left' | 'silent' | 'died';

/** What is shown of the sharing. */
export type OwnershipStatus = {
  readonly shards: readonly Shard[];
  readonly mayStart: boolean;
  /** Dispatchers alive, as this one saw last. */
  readonly dispatchers: number;
  /** Shards that this process has taken since its start, by the reason. */
  readonly taken: Readonly<Record<MoveReason, number>>;
};

/** Nothing taken yet. */
export const noneTaken = (): Record<MoveReason, number> => ({ joined: 0, left: 0, silent: 0, died: 0 });
