import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { isBelow, isEnteredAgain, makeStepKey, stepKeyParts, type StepKeyParts } from './step-key.js';

const name = fc.stringMatching(/^[A-Za-z][A-Za-z0-9_-]{0,5}$/);
const entry = fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 100_000 }));
const item = fc.option(fc.nat(9_999));
/** What a chain of containers leads to, from the outermost in. */
const chains = fc.array(fc.record({ item, name, entry }), { minLength: 1, maxLength: 5 });

describe('a step key', () => {
  it('is the names of the containers and its own, with the item, and with the entry when it is not the first', () => {
    const parts = { container: 'items', item: 3, name: 'charge', entry: 1 };
    expect(makeStepKey(parts)).toBe('items.3.charge');
    expect(makeStepKey({ ...parts, container: 'loop~2', item: null, entry: 12 })).toBe('loop~2.charge~12');
    expect(makeStepKey({ container: null, item: null, name: 'poll', entry: 2 })).toBe('poll~2');
  });

  it('is taken apart into what it was made of', () => {
    const holds = fc.property(chains, (chain) => {
      let container: string | null = null;
      for (const link of chain) {
        const parts: StepKeyParts = { ...link, container, item: container === null ? null : link.item };
        const key = makeStepKey(parts);
        expect(stepKeyParts(key)).toEqual(parts);
        expect(isEnteredAgain(key)).toBe(parts.entry > 1);
        expect(isBelow(key, container)).toBe(true);
        container = key;
      }
    });
    fc.assert(holds, { numRuns: 300 });
  });

  it('is below its containers only, and not below what has the same beginning', () => {
    const below = (key: string) => [null, 'p', 'p.q', 'p~2', 'pq', 'p.q.r'].filter((of) => isBelow(key, of));
    expect(below('p.q.r')).toEqual([null, 'p', 'p.q']);
    expect(below('p~2.q')).toEqual([null, 'p~2']);
    expect(below('p')).toEqual([null]);
  });
});
