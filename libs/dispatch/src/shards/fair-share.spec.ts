import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { fairShare, type Sharer } from './fair-share.js';

const sharesOf = (sharers: readonly Sharer[], total = 64): readonly number[] =>
  sharers.map(({ id }) => fairShare(sharers, id, total));
const sharers = (...counts: readonly number[]): Sharer[] =>
  counts.map((shards, index) => ({ id: `d${index}`, shards }));

describe('fairShare', () => {
  it('gives the ceilings to those who own the most, and to the first among equals', () => {
    expect(sharesOf(sharers(64))).toEqual([64]);
    expect(sharesOf(sharers(64, 0))).toEqual([32, 32]);
    expect(sharesOf(sharers(32, 32, 0))).toEqual([22, 21, 21]);
    expect(sharesOf(sharers(21, 21, 22))).toEqual([21, 21, 22]);
  });

  it('does not change while what is too much is on its way', () => {
    expect(sharesOf(sharers(22, 32, 0))).toEqual([22, 21, 21]);
    expect(sharesOf(sharers(32, 21, 11))).toEqual([22, 21, 21]);
  });

  it('shares everything, in parts that differ by one at most, and leaves a fair sharing alone', () => {
    const counts = fc.array(fc.nat(64), { minLength: 1, maxLength: 80 });
    fc.assert(
      fc.property(counts, (owned) => {
        const shares = sharesOf(sharers(...owned));
        expect(shares.reduce((sum, share) => sum + share, 0)).toBe(64);
        expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(1);
        expect(sharesOf(sharers(...shares))).toEqual(shares);
      }),
    );
  });
});
