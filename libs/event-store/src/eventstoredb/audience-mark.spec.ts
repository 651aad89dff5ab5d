import { describe, expect, it } from '@jest/globals';
import type { Audience } from '../event-store.js';
import { ALL_SHARDS, CATALOGUE, prefixesOf, runStream, shardOf, type Shard } from '../stream-names.js';
import { audienceMark, markedFor } from './audience-mark.js';

const IDS = ['a', 'b', 'h', 'p', 'z', '7'].map((first) => `${first}${'q'.repeat(24)}a`);
const AUDIENCES: readonly (Audience | undefined)[] = ['owner', 'waiting', undefined];

const isFor = (audience: Audience, prefixes: readonly string[] | null, type: string): boolean =>
  new RegExp(markedFor(audience, prefixes)).test(type);

describe('the mark of an audience', () => {
  it('is found by that audience and by no other, and one for everybody by each', () => {
    for (const id of IDS) {
      const [forOwner, forWaiting, forAll] = AUDIENCES.map(
        (audience) => `RunX${audienceMark(runStream(id), audience)}`,
      );
      const found = (audience: Audience) =>
        [forOwner, forWaiting, forAll].map((type) => isFor(audience, prefixesOf(ALL_SHARDS), type!));
      expect(found('owner')).toEqual([true, false, true]);
      expect(found('waiting')).toEqual([false, true, true]);
    }
  });

  it('is found by whoever asks for its shard, be it one or many', () => {
    const of = (...shards: readonly number[]) => prefixesOf(shards as Shard[]);
    for (const id of IDS) {
      const type = `RunX${audienceMark(runStream(id), 'owner')}`;
      const shard = shardOf(id);
      const others = ALL_SHARDS.filter((other) => other !== shard);
      expect(isFor('owner', of(shard), type)).toBe(true);
      expect(isFor('owner', of(...others), type)).toBe(false);
      expect(isFor('owner', of(...ALL_SHARDS.slice(0, shard + 1)), type)).toBe(true);
      expect(isFor('owner', null, type)).toBe(true);
    }
  });

  it('is on appends to runs alone, and found on nothing that is not marked', () => {
    expect(audienceMark(CATALOGUE, undefined)).toBe('');
    for (const type of ['Order->Paid', 'a<b', '$>', '$metadata', 'RunStarted', '>2a later'])
      for (const audience of ['owner', 'waiting'] as const)
        expect([type, isFor(audience, null, type)]).toEqual([type, false]);
  });
});
