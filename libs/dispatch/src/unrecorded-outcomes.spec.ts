import { describe, expect, it } from '@jest/globals';
import { LogFull } from '#event-store';
import { silentLog, type Log, type LogFields } from '#runtime';
import { runIdOf } from './testing/dispatch-world.js';
import { TestClock } from './testing/test-clock.js';
import { UnrecordedOutcomes } from './unrecorded-outcomes.js';

const AWAY = new Error('away');

const unrecorded = () => {
  const lines: (LogFields | undefined)[] = [];
  const clock = new TestClock();
  const log: Log = { ...silentLog, error: (_text, fields) => void lines.push(fields) };
  return { outcomes: new UnrecordedOutcomes(clock, log), clock, lines };
};
const attempts = Array.from({ length: 100 }, (_, index) => ({ runId: runIdOf(String(index)) }));

describe('UnrecordedOutcomes', () => {
  it('says once a second for all of them what is amiss, without a stack', () => {
    const { outcomes, clock, lines } = unrecorded();
    for (const attempt of attempts) outcomes.add(attempt, AWAY, true);
    expect(lines).toEqual([{ attempts: 1, reason: 'away' }]);
    clock.pass(1_000);
    for (const attempt of attempts) outcomes.add(attempt, AWAY, true);
    expect(lines.slice(1)).toEqual([{ attempts: 100, reason: 'away' }]);
  });

  it('says nothing of what passes by itself, of which the engine tells', () => {
    const { outcomes, lines } = unrecorded();
    outcomes.add(attempts[0]!, new LogFull('full'), true);
    expect(lines).toEqual([]);
    expect(outcomes.shards()).toHaveLength(1);
  });

  it('says at a stop how many are left behind', () => {
    const { outcomes, lines } = unrecorded();
    for (const attempt of attempts) outcomes.add(attempt, AWAY, false);
    for (const attempt of attempts.slice(0, 60)) outcomes.delete(attempt);
    outcomes.stop();
    expect(lines).toEqual([{ attempts: 40 }]);
    const none = unrecorded();
    none.outcomes.stop();
    expect(none.lines).toEqual([]);
  });
});
