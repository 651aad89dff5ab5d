import { describe, expect, it } from '@jest/globals';
import { simulate } from './simulation.js';

describe('the simulated world', () => {
  it('goes the same way each time that it is made of one seed', async () => {
    const [once, again] = [await simulate(3), await simulate(3)];
    expect(once.trace.length).toBeGreaterThan(100);
    expect(again.trace).toEqual(once.trace);
  });

  it('goes another way for another seed', async () => {
    const [one, other] = [await simulate(1), await simulate(2)];
    expect(one.trace).not.toEqual(other.trace);
  });
});
