import { describe, expect, it } from '@jest/globals';
import { systemClock, type Clock } from '#runtime';
import { rebuildProgress } from './rebuild-progress.js';

const HALF = { events: 1_234_567, eventsPerSecond: 250_000.4, share: 0.5, secondsLeft: 75 };
const END = { ...HALF, events: 2_469_134, share: 1, secondsLeft: 0 };

const shown = (isTTY: boolean, steps: readonly (readonly [number, typeof HALF])[]): string => {
  let text = '';
  let nowMs = 0;
  const clock: Clock = { ...systemClock, monotonicMs: () => nowMs };
  const show = rebuildProgress({ isTTY, write: (piece) => (text += piece) }, clock);
  for (const [atMs, progress] of steps) {
    nowMs = atMs;
    show(progress);
  }
  return text;
};

describe('the progress of a rebuild', () => {
  it('is a bar on a terminal, drawn over itself', () => {
    expect(
      shown(true, [
        [0, HALF],
        [200, END],
      ]),
    ).toBe(
      `\r[${'='.repeat(15)}${' '.repeat(15)}] 50 %, 1,234,567 events, 250,000/s, 75 s left\x1b[K` +
        `\r[${'='.repeat(30)}] 100 %, 2,469,134 events, 250,000/s, 0 s left\x1b[K\n`,
    );
  });

  it('is a line a second elsewhere, and always the last one', () => {
    expect(
      shown(false, [
        [0, HALF],
        [200, HALF],
        [1_000, { ...HALF, secondsLeft: 7_300 }],
        [1_100, END],
      ]).split('\n'),
    ).toEqual([
      '50 %, 1,234,567 events, 250,000/s, 75 s left',
      '50 %, 1,234,567 events, 250,000/s, 3 h left',
      '100 %, 2,469,134 events, 250,000/s, 0 s left',
      '',
    ]);
  });
});
