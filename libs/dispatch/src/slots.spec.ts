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

  it('lets no origin hold more than it leaves free, so that two that never answer keep no other waiting', () => {
    const slots = new Slots({ attemptsMax: 1_024, perOriginMax: 512 });
    const held = (origin: string) =>
      Array.from({ length: 600 }, (_, index) => slots.take(origin, id(`${origin}${index}`))).filter(Boolean).length;
    expect([held('never'), held('drips'), held('resets')]).toEqual([512, 256, 128]);
    expect(slots.take('good', id('g'))).toBe(true);
  });

  it('offers a slot of an origin that holds many to one that holds none, however many wait at the first', () => {
    const slots = new Slots({ attemptsMax: 8, perOriginMax: 8 });
    for (const origin of ['a', 'b', 'c', 'd'])
      for (let run = 0; run < 6; run++) slots.take(origin, id(`${origin}${run}`));
    expect(slots.usage.inUse).toBe(8);
    expect(slots.take('good', id('g'))).toBe(false);
    slots.release('a');
    const offered = [slots.next('a'), slots.next('a')];
    expect(offered).toContain('g');
    expect(offered).not.toContain('a4');
  });

  it('offers what one origin frees to another that had to leave it free', () => {
    const slots = new Slots({ attemptsMax: 4, perOriginMax: 4 });
    expect(['1', '2', '3'].map((run) => slots.take('a', id(run)))).toEqual([true, true, false]);
    expect(['4', '5'].map((run) => slots.take('b', id(run)))).toEqual([true, false]);
    slots.release('a');
    slots.release('a');
    expect([slots.next('a'), slots.next('b')]).toEqual(['3', '5']);
    expect(slots.usage.waiting).toBe(0);
  });

  it('knows who waits', () => {
    const slots = new Slots({ attemptsMax: 1, perOriginMax: 1 });
    slots.take('a', id('1'));
    slots.take('a', id('2'));
    expect([slots.isWaiting(id('1')), slots.isWaiting(id('2'))]).toEqual([false, true]);
  });
});
