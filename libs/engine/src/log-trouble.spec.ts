import { describe, expect, it } from '@jest/globals';
import { silentLog } from '#runtime';
import { TestClock } from '../../dispatch/src/testing/test-clock.js';
import { LogTrouble } from './log-trouble.js';

describe('what is said of a log that does not answer', () => {
  const world = () => {
    const clock = new TestClock();
    const lines: string[] = [];
    const said = (line: string): void => void lines.push(line);
    const state = { waiting: 1 };
    const trouble = new LogTrouble(clock, { ...silentLog, info: said, warn: said }, () => state.waiting);
    return { clock, lines, state, trouble };
  };
  const AWAY = new Error('no answer');

  it('is one line a second for all appends, until nothing waits', () => {
    const { clock, lines, state, trouble } = world();
    for (let append = 0; append < 100; append++) trouble.unknown(true, AWAY);
    clock.pass(1_000);
    expect(lines).toEqual(['the log gives no answer', 'the log gives no answer']);
    state.waiting = 0;
    clock.pass(5_000);
    expect(lines.slice(2)).toEqual(['the log answers again']);
    expect(clock.timersSet).toBe(0);
  });

  it('is what is left at a stop, and nothing of outcomes that come after it', () => {
    const { clock, lines, trouble } = world();
    trouble.unknown(true, AWAY);
    trouble.unknown(false, AWAY);
    trouble.stop();
    expect(lines).toEqual(['the log gives no answer', 'the log gives no answer']);
    trouble.unknown(false, AWAY);
    expect(clock.timersSet).toBe(0);
    clock.pass(5_000);
    expect(lines).toHaveLength(2);
  });

  it('is nothing when the first outcome that is unknown comes after the stop', () => {
    const { clock, lines, state, trouble } = world();
    state.waiting = 0;
    trouble.stop();
    trouble.unknown(true, AWAY);
    expect(clock.timersSet).toBe(0);
    clock.pass(5_000);
    expect(lines).toEqual([]);
  });
});
