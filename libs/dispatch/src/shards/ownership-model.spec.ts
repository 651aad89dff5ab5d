import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { bothMayStart, type OwnershipRules, type OwnershipScript } from '../testing/ownership-model.js';

const RULES: OwnershipRules = { beatMs: 1_000, lateMs: 5_000, silentMs: 7_000, shownAt: 'sent' };

/** By so much clocks may be fast or slow: 5 s by the slowest pass before 7 s by the fastest. Real ones are off by 0.05 %. */
const DRIFT = 0.15;
const rate = fc.double({ min: 1 - DRIFT, max: 1 + DRIFT, noNaN: true });
/** Mostly as in a network that is well, now and then as of a machine that stood still. */
const ms = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: 0, max: 50 }) },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 9_000 }) },
);
const statement = fc.record({ thereMs: ms, backMs: ms, pauseMs: fc.oneof(ms, fc.constant(300)) });
const statements = fc.array(statement, { minLength: 12, maxLength: 60 });
const script: fc.Arbitrary<OwnershipScript> = fc.record({
  rates: fc.tuple(rate, rate),
  serverRate: rate,
  statements: fc.tuple(statements, statements),
});

const counterexample = (rules: OwnershipRules): boolean =>
  fc.check(
    fc.property(script, (given) => bothMayStart(given, rules).length === 0),
    { numRuns: 3_000, endOnFailure: true },
  ).failed;

describe('rows and beats alone, without a lock', () => {
  it('keep two dispatchers from starting at once, whatever is late and whoever stands still', () => {
    fc.assert(
      fc.property(script, (given) => expect(bothMayStart(given, RULES)).toEqual([])),
      { numRuns: 3_000 },
    );
  });

  it('do not without the margin between late and silent', () => {
    expect(counterexample({ ...RULES, silentMs: RULES.lateMs })).toBe(true);
  });

  it('do not when a beat counts from its answer, not from when it was sent', () => {
    expect(counterexample({ ...RULES, shownAt: 'answered' })).toBe(true);
  });

  it('pass a shard from one to the other, so that the above says something', () => {
    const moves = fc.sample(script, 200).filter(({ rates, serverRate, statements: [first, second] }) => {
      // The second alone, once the first has said its last: it comes to own the shard.
      const late = second.map((each) => ({ ...each, thereMs: each.thereMs % 50, backMs: each.backMs % 50 }));
      const alone = { rates, serverRate, statements: [first.slice(0, 8), late] } as const;
      return bothMayStart(alone, { ...RULES, lateMs: Infinity }).length > 0;
    });
    expect(moves.length).toBeGreaterThan(0);
  });
});
