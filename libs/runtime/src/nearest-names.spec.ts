import { describe, expect, it } from '@jest/globals';
import { nearestNames } from './nearest-names.js';

describe('nearestNames', () => {
  it('puts the nearest name first and leaves out those that share too little', () => {
    expect(nearestNames('onbording', ['invoice', 'offboarding', 'onboarding'])).toEqual(['onboarding', 'offboarding']);
  });

  it('counts two swapped neighbours as one mistake, and a difference of case as none', () => {
    expect(nearestNames('PROT', ['part', 'port'], { differing: 1 })).toEqual(['port', 'part']);
  });

  it('gives at most the limit', () => {
    const names = Array.from({ length: 100 }, (_, index) => `order-${index}`);
    expect(nearestNames('order-', names)).toHaveLength(3);
  });

  it('does not take long over very long names', () => {
    const long = 'x'.repeat(1_000_000);
    expect(nearestNames(long, [long, 'y'])).toEqual([long]);
  });
});
