import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Bag, ChurnMap } from './churn.js';

describe('ChurnMap', () => {
  it('is a map, whatever is set and deleted', () => {
    const act = fc.record({ key: fc.constantFrom('a', 'b', 'c', 'd'), set: fc.boolean() });
    fc.assert(
      fc.property(fc.array(act, { maxLength: 60 }), (acts) => {
        const map = new ChurnMap<string, { at: number }>();
        const model = new Map<string, { at: number }>();
        acts.forEach(({ key, set }, at) => {
          const value = { at };
          if (set) {
            map.set(key, value);
            model.set(key, value);
          } else {
            expect(map.delete(key)).toBe(model.delete(key));
          }
          expect(map.size).toBe(model.size);
          expect(new Set(map.values())).toEqual(new Set(model.values()));
          for (const each of ['a', 'b', 'c', 'd']) expect(map.get(each)).toBe(model.get(each));
        });
      }),
    );
  });
});

describe('Bag', () => {
  it('is a set, whatever is added and deleted', () => {
    const act = fc.record({ which: fc.nat({ max: 4 }), add: fc.boolean() });
    fc.assert(
      fc.property(fc.array(act, { maxLength: 60 }), (acts) => {
        const things = [0, 1, 2, 3, 4].map((name) => ({ name, place: -1 }));
        const bag = new Bag<(typeof things)[number]>();
        const model = new Set<(typeof things)[number]>();
        for (const { which, add } of acts) {
          const thing = things[which]!;
          if (add && !model.has(thing)) {
            bag.add(thing);
            model.add(thing);
          } else if (!add) {
            expect(bag.delete(thing)).toBe(model.delete(thing));
          }
          expect(bag.size).toBe(model.size);
          expect(new Set(bag.items())).toEqual(model);
          for (const each of things) expect(bag.has(each)).toBe(model.has(each));
        }
        bag.clear();
        expect([bag.size, ...things.map((each) => bag.has(each))]).toEqual([0, ...things.map(() => false)]);
      }),
    );
  });
});
