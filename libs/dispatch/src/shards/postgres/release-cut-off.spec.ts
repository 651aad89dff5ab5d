import { expect, it } from '@jest/globals';
import { ALL_SHARDS, type Shard } from '#event-store';
import { silentLog, systemClock, systemEntropy } from '#runtime';
import { eventually } from '../../../../../test/support/pause.js';
import type { ShardHolder } from '../shard-ownership.js';
import type { MemberOfTables } from './ownership-tables.js';
import { PostgresShardOwnership } from './postgres-shard-ownership.js';

const nothing = (): Promise<void> => Promise.resolve();

/** One dispatcher owns all; when another joins it is to release some, and then the tables cannot be reached. */
const cutOffTables = () => {
  const tables = { hasPeer: false, freed: 0 };
  const made: MemberOfTables = {
    id: 'one',
    join: nothing,
    beat: () => Promise.resolve(true),
    membership: () => {
      const peer = { id: 'two', name: 'd2', shards: 0, silent: false };
      const one = { id: 'one', name: 'd1', shards: 64, silent: false };
      return Promise.resolve({ members: tables.hasPeer ? [one, peer] : [one], free: tables.hasPeer ? [] : ALL_SHARDS });
    },
    remove: () => Promise.resolve([]),
    claim: (shards) => Promise.resolve(shards.map((shard) => ({ shard, claim: '1', reason: 'joined' as const }))),
    free: () => {
      tables.freed += 1;
      return Promise.reject(new Error('the connection was closed'));
    },
    leave: nothing,
    destroy: () => undefined,
  };
  return { tables, made };
};

it('loses its shards, and goes on, when the first of those that it releases cannot be freed while others are still busy', async () => {
  const { tables, made } = cutOffTables();
  let idle = (): void => undefined;
  const lost: Shard[] = [];
  const holder: ShardHolder = {
    gained: () => undefined,
    movable: (shards) => shards,
    release: (shards, gone) => {
      gone(shards.slice(0, 1));
      return new Promise((resolve) => (idle = resolve));
    },
    lost: (shards) => void lost.push(...shards),
  };
  const unhandled: unknown[] = [];
  const note = (fault: unknown): void => void unhandled.push(fault);
  process.on('unhandledRejection', note);
  const ownership = new PostgresShardOwnership(systemClock, systemEntropy, silentLog, {
    connectionString: '',
    name: 'd1',
    times: { beatMs: 10, lateMs: 500, silentMs: 1_000 },
    tablesOf: () => made,
  });
  await ownership.start(holder);
  tables.hasPeer = true;
  await eventually('a shard to be freed', () => Promise.resolve(tables.freed > 0 ? true : null));
  await new Promise((resolve) => setImmediate(resolve));
  // The one that was freed may be another's by now: it went before.
  expect(lost).toHaveLength(63);
  idle();
  await ownership.stop();
  process.off('unhandledRejection', note);
  expect(unhandled).toEqual([]);
});
