import { afterEach, describe, expect, it } from '@jest/globals';
import { ALL_SHARDS } from '#event-store';
import { silentLog, systemEntropy } from '#runtime';
import type { ShardHolder } from '../shard-ownership.js';
import { TestClock } from '../../testing/test-clock.js';
import type { MemberOfTables, Membership } from './ownership-tables.js';
import { PostgresShardOwnership } from './postgres-shard-ownership.js';

/** Tables that say of a peer whether it is silent, and note who was removed. */
class StatedTables implements MemberOfTables {
  readonly id = 'me';
  peerIsSilent = false;
  readonly removed: string[] = [];
  looks = 0;

  async join(): Promise<void> {}
  async beat(): Promise<boolean> {
    return true;
  }
  async membership(): Promise<Membership> {
    this.looks += 1;
    const shards = ALL_SHARDS.length / 2;
    const members = [
      { id: 'me', name: 'a', shards, silent: false },
      { id: 'peer', name: 'b', shards, silent: this.peerIsSilent },
    ];
    return { members, free: [] };
  }
  async remove(ids: readonly string[]): Promise<readonly string[]> {
    this.removed.push(...ids);
    return ids;
  }
  async claim(): Promise<readonly never[]> {
    return [];
  }
  async free(): Promise<void> {}
  async leave(): Promise<void> {}
  destroy(): void {}
}

const HOLDER: ShardHolder = { gained: () => {}, movable: () => [], release: async () => {}, lost: () => {} };
const TIMES = { beatMs: 100, lateMs: 500, silentMs: 700 };

let ownership: PostgresShardOwnership;
afterEach(() => ownership.stop());

describe('a dispatcher that finds a peer silent', () => {
  const looking = async () => {
    const clock = new TestClock();
    const tables = new StatedTables();
    ownership = new PostgresShardOwnership(clock, systemEntropy, silentLog, {
      connectionString: '',
      name: 'a',
      times: TIMES,
      tablesOf: () => tables,
    });
    await ownership.start(HOLDER);
    /** Whom it has removed by then, a look and a beat later. */
    const next = async (): Promise<readonly string[]> => {
      const { looks } = tables;
      // Past the beat, which has some chance in it.
      while (tables.looks === looks) {
        clock.pass(10);
        await new Promise(setImmediate);
      }
      return tables.removed;
    };
    return { tables, next };
  };

  it('looks a second time before it removes it, as a clock that was set makes all look silent for a beat', async () => {
    const { tables, next } = await looking();
    tables.peerIsSilent = true;
    expect(await next()).toEqual([]);
    tables.peerIsSilent = false;
    expect(await next()).toEqual([]);
    // What it was before counts no more.
    tables.peerIsSilent = true;
    expect(await next()).toEqual([]);
  });

  it('removes it once it is silent for a beat', async () => {
    const { tables, next } = await looking();
    tables.peerIsSilent = true;
    await next();
    await next();
    expect((await next())[0]).toBe('peer');
  });
});
