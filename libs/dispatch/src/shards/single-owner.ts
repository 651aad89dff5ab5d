import { ALL_SHARDS } from '#event-store';
import { noneTaken, type OwnershipStatus, type ShardHolder, type ShardOwnership } from './shard-ownership.js';

/** Ownership where there is nobody to share with: beside the embedded store one process owns all shards, for good. */
export class SingleOwner implements ShardOwnership {
  readonly mayStart = true;
  private holder: ShardHolder | null = null;

  start(holder: ShardHolder): Promise<void> {
    this.holder = holder;
    holder.gained(ALL_SHARDS);
    return Promise.resolve();
  }

  status(): OwnershipStatus {
    return { shards: this.holder === null ? [] : ALL_SHARDS, mayStart: true, dispatchers: 1, taken: noneTaken() };
  }

  async stop(): Promise<void> {
    const { holder } = this;
    this.holder = null;
    await holder?.release(ALL_SHARDS, () => undefined);
  }
}
