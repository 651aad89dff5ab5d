import { ALL_SHARDS, type Shard } from '#event-store';
import { silentLog, systemClock, systemEntropy } from '#runtime';
import { PostgresShardOwnership } from '../shards/postgres/postgres-shard-ownership.js';

/** A dispatcher that owns all shards of a database and has nothing else to do. */
export const soleOwner = async (connectionString: string, name = 'sole'): Promise<PostgresShardOwnership> => {
  const owner = new PostgresShardOwnership(systemClock, systemEntropy, silentLog, { connectionString, name });
  const gained: Shard[] = [];
  await owner.start({
    gained: (shards) => void gained.push(...shards),
    movable: (shards) => shards,
    release: (shards, gone) => Promise.resolve(gone(shards)),
    lost: () => undefined,
  });
  if (gained.length !== ALL_SHARDS.length) throw new Error(`${name} owns ${gained.length} shards`);
  return owner;
};
