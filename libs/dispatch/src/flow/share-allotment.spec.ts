import { describe, expect, it } from '@jest/globals';
import { Chance } from '../../../../test/support/chance.js';
import { allot, nextShare } from './share-allotment.js';

describe('allot', () => {
  it.each([
    ['alike to those who lack', 10, [20, 20, 20], 0, [4, 3, 3]],
    ['what one does not want to the others', 10, [1, 20, 20], 0, [1, 5, 4]],
    ['all to the only one that has work', 10, [0, 50, 0], 0, [0, 10, 0]],
    ['what nobody wants to everyone', 10, [0, 1, 0], 0, [3, 4, 3]],
    ['less than one each to one after the other', 1, [5, 5, 5], 1, [0, 1, 0]],
    ['less than one each to one after the other, small wants too', 1, [1, 9, 0], 2, [1, 0, 0]],
  ])('gives %s', (_name, total, wants, turn, shares) => {
    expect(allot(total, wants, turn)).toEqual(shares);
  });
});

describe('nextShare', () => {
  it('never lets the sum pass the total, and comes to rest, whoever asks when', () => {
    for (let seed = 1; seed <= 40; seed++) {
      const chance = new Chance(seed);
      const total = 1 + Math.floor(chance.between(0, 12));
      const holders = ['a', 'b', 'c', 'd'].map((holder) => ({ holder, has: 0, wants: 0, inUse: 0 }));
      for (let turn = 0; turn < 200; turn++) {
        const own = chance.oneOf(holders);
        own.wants = Math.floor(chance.between(0, 20));
        own.inUse = Math.floor(chance.between(0, own.has + 1));
        const others = holders.filter((holder) => holder !== own);
        own.has = nextShare(total, own, others, Math.floor(turn / 20)).has;
        expect(own.has).toBeGreaterThanOrEqual(own.inUse);
        expect(holders.reduce((sum, { has }) => sum + has, 0)).toBeLessThanOrEqual(total);
      }
      for (const own of holders) Object.assign(own, { wants: 20, inUse: 0 });
      for (let round = 0; round < 3; round++)
        for (const own of holders)
          own.has = nextShare(
            total,
            own,
            holders.filter((holder) => holder !== own),
            0,
          ).has;
      expect(holders.reduce((sum, { has }) => sum + has, 0)).toBe(total);
    }
  });
});
