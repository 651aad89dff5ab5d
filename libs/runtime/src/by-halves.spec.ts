import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { firstIndex } from './by-halves.js';

describe('the search by halves', () => {
  it('finds what a walk from the start finds', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 20 })), fc.integer({ min: -1, max: 21 }), (given, sought) => {
        const sorted = given.toSorted((a, b) => a - b);
        const walked = sorted.findIndex((value) => value > sought);
        const found = firstIndex(sorted.length, (index) => sorted[index]! > sought);
        expect(found).toBe(walked === -1 ? sorted.length : walked);
      }),
    );
  });
});
