import { describe, expect, it } from '@jest/globals';
import type { RunId } from '#engine';
import { Slots } from './slots.js';

const id = (name: string) => name as RunId;

describe('Slots', () => {
  it('gives an origin no more than its own, and all together no more than the whole', () => {
    const slots = new Slots({ attemptsMax: 3, perOriginMax: 2 });
    expect([slots.take('a', id('1')), slots.take('a', id('2')), slots.take('a', id('3'))]).toEqual([true, true, false]);
    expect([slots.take('b', id('4')), slots.take('b', id('5'))]).toEqual([true, false]);
    expect(slots.usage).toEqual({ inUse: 3, waiting: 2 });
  });

  it('offers a free slot to the run of that origin that waits longest', () => {
    const slots = new Slots({ attemptsMax: 10, perOriginMax: 1 });
    slots.take('a', id('1'));
    slots.take('a', id('2'));
    slots.take('a', id('3'));
    expect(slots.next('a')).toBeNull();
    slots.release('a');
    expect(slots.next('a')).toBe('2');
  });

  it('offers a slot that one origin frees to runs of others, origin by origin, when all were taken', () => {
    const slots = new Slots({ attemptsMax: 1, perOriginMax: 1 });
    slots.take('a', id('1'));
    for (const origin of ['b', 'c']) for (const run of ['x', 'y']) slots.take(origin, id(origin + run));
    slots.release('a');
    expect([slots.next('a'), slots.next('a'), slots.next('a'), slots.next('a'), slots.next('a')]).toEqual([
      'bx',
      'cx',
      'by',
      'cy',
      null,
    ]);
  });

  it('knows who waits', () => {
    const slots = new Slots({ attemptsMax: 1, perOriginMax: 1 });
    slots.take('a', id('1'));
    slots.take('a', id('2'));
    expect([slots.isWaiting(id('1')), slots.isWaiting(id('2'))]).toEqual([false, true]);
  });
});
