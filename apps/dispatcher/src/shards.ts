import { hostname } from 'node:os';
import { join } from 'node:path';
import {
  MemoryOpenRuns,
  PostgresLimitShares,
  PostgresOpenRuns,
  PostgresShardOwnership,
  SingleOwner,
  SqliteOpenRuns,
  type Dispatcher,
  type LimitShares,
  type OpenRuns,
  type ShardOwnership,
} from '#dispatch';
import type { Clock, Config, Entropy, Log } from '#runtime';
import { notReady, READY, type PartReport } from '../../modules/src/process-report.js';

/** Which shards are this process's, its table of their open runs, and its share of the limits. */
export type Shards = {
  readonly ownership: ShardOwnership;
  readonly openRuns: OpenRuns;
  /** `undefined`: the whole of each. */
  readonly shares: LimitShares | undefined;
};

/** As it stands on attempts, and holds locks. */
export const dispatcherName = (): string => `${hostname()}-${process.pid}`;

/** Of the one process on an embedded log. */
export const allShards = ({ eventStore, dataDir }: Config): Shards => ({
  ownership: new SingleOwner(),
  openRuns: eventStore === 'memory' ? new MemoryOpenRuns() : new SqliteOpenRuns(join(dataDir, 'open-runs.sqlite')),
  shares: undefined,
});

/** Of one of several processes, which share them out by locks in Postgres. */
export const sharedShards = ({ views }: Config, clock: Clock, entropy: Entropy, log: Log): Shards => {
  const connectionString = views.url!; // without it `refuseEmbeddedStore` has ended the process
  const name = dispatcherName();
  const ownership = new PostgresShardOwnership(clock, entropy, log, { connectionString, name });
  return {
    ownership,
    openRuns: new PostgresOpenRuns(ownership, { connectionString }),
    shares: new PostgresLimitShares(clock, entropy, log, { url: connectionString, name }),
  };
};

/** Whether the runs of its shards are in its hands. */
export const shardsReadiness = (
  dispatcher: Dispatcher,
  ownership: ShardOwnership,
): NonNullable<PartReport['readiness']> => {
  if (ownership instanceof SingleOwner) {
    return {
      dispatcher: () => (dispatcher.acting ? READY : notReady('The open runs are being taken over, or let go.')),
    };
  }
  return {
    shards: () => {
      const { dispatchers, mayStart } = ownership.status();
      const { owned, acting } = dispatcher.shardCounts;
      if (dispatcher.acting && mayStart && owned === acting && dispatchers > 0) return READY;
      return notReady(
        mayStart
          ? `Of ${owned} shards that it owns, ${acting} have been taken over.`
          : 'Postgres does not hear that this process lives: it may start nothing.',
      );
    },
  };
};
