import { silentLog, systemClock, systemEntropy } from '#runtime';
import type { Shard } from '#event-store';
import { PostgresShardOwnership } from '../shards/postgres/postgres-shard-ownership.js';

// node ownership-process.js <url> <name>: a dispatcher that would start a step of each of its shards every 10 ms, and tells
// its parent all that it hears and starts. Ends at SIGTERM.

/** What such a process tells its parent, and when by the clock of the machine: finer than a millisecond. */
export type OwnershipNews = {
  readonly type: 'gained' | 'release' | 'lost' | 'started';
  readonly shards: readonly Shard[];
  readonly atMs: number;
};

const START_EVERY_MS = 10;

const tell = (type: OwnershipNews['type'], shards: readonly Shard[]): void => {
  const news: OwnershipNews = { type, shards, atMs: performance.timeOrigin + performance.now() };
  process.send!(news);
};

const [connectionString, name] = process.argv.slice(2) as [string, string];
const ownership = new PostgresShardOwnership(systemClock, systemEntropy, silentLog, { connectionString, name });
const mine = new Set<Shard>();

const starts = setInterval(() => {
  if (ownership.mayStart && mine.size > 0) tell('started', [...mine]);
}, START_EVERY_MS);

process.once('SIGTERM', () => {
  void ownership.stop().then(() => {
    clearInterval(starts);
    process.disconnect();
  });
});

await ownership.start({
  gained: (shards) => {
    for (const shard of shards) mine.add(shard);
    tell('gained', shards);
  },
  movable: (shards) => shards,
  release: (shards, gone) => {
    for (const shard of shards) mine.delete(shard);
    tell('release', shards);
    gone(shards);
    return Promise.resolve();
  },
  lost: (shards) => {
    for (const shard of shards) mine.delete(shard);
    tell('lost', shards);
  },
});
