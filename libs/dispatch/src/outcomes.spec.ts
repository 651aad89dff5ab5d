import { describe, expect, it } from '@jest/globals';
import { RunParked, type CommandResult, type RunId } from '#engine';
import { LogFull } from '#event-store';
import { silentLog, type Log, type LogFields } from '#runtime';
import { Outcomes } from './outcomes.js';
import { runIdOf } from './testing/dispatch-world.js';
import { TestClock } from './testing/test-clock.js';

const AWAY = new Error('away');
const COMMAND = { type: 'InterruptAttempt', step: 'only', attempt: 1, class: 'not-executed' } as const;
const UNAVAILABLE: CommandResult = { status: 'unavailable', cause: AWAY };
const STALE = { status: 'rejected', rejection: { code: 'run-not-found' }, loaded: null } as const;

/** Outcomes on their way to a log that answers as the test says. */
const recording = (answer: (runId: RunId) => CommandResult = () => UNAVAILABLE, isOurs = true) => {
  const lines: (LogFields | undefined)[] = [];
  const again: (() => void)[] = [];
  const tried: RunId[] = [];
  const clock = new TestClock();
  const log: Log = { ...silentLog, error: (_text, fields) => void lines.push(fields) };
  const engine: ConstructorParameters<typeof Outcomes>[0] = {
    submit: (runId, _command, _origin, done) => {
      tried.push(runId);
      done?.(answer(runId));
    },
  };
  const wheel: ConstructorParameters<typeof Outcomes>[1] = {
    after: (_ms, fire) => {
      again.push(fire);
      return null as unknown as ReturnType<ConstructorParameters<typeof Outcomes>[1]['after']>; // never looked at
    },
  };
  const outcomes = new Outcomes(engine, wheel, clock, log, { actor: 'd1', traceparent: null }, () => isOurs);
  return { outcomes, clock, lines, again, tried };
};
const attempts = Array.from({ length: 100 }, (_, index) => ({ runId: runIdOf(String(index)) }));

describe('Outcomes', () => {
  it('are recorded again until the log takes them, and keep their shards meanwhile', () => {
    let away = true;
    const made = recording(() => (away ? UNAVAILABLE : STALE));
    made.outcomes.record(attempts[0]!, COMMAND);
    expect(made.outcomes.shards()).toHaveLength(1);
    made.again[0]!();
    expect(made.outcomes.shards()).toHaveLength(1);
    away = false;
    made.again[1]!();
    expect([made.tried.length, made.again.length, made.outcomes.shards(), made.outcomes.superseded]).toEqual([
      3,
      2,
      [],
      1,
    ]);
  });

  it('are not recorded again once the run is another’s', () => {
    const made = recording(undefined, false);
    made.outcomes.record(attempts[0]!, COMMAND);
    expect([made.again, made.outcomes.shards()]).toEqual([[], []]);
  });

  it('are dropped when the run is parked: nothing would ever take them', () => {
    const parked = new RunParked(runIdOf('0'), '2026-01-01T00:00:00.000Z', new Error('cannot be'));
    const made = recording(() => ({ status: 'unavailable', cause: parked }));
    made.outcomes.record(attempts[0]!, COMMAND);
    expect([made.again, made.outcomes.shards(), made.lines]).toEqual([[], [], []]);
  });

  it('say once a second for all of them what is amiss, without a stack', () => {
    const { outcomes, clock, lines } = recording();
    for (const attempt of attempts) outcomes.record(attempt, COMMAND);
    expect(lines).toEqual([{ attempts: 1, reason: 'away' }]);
    clock.pass(1_000);
    for (const attempt of attempts) outcomes.record(attempt, COMMAND);
    expect(lines).toHaveLength(2);
    expect(lines[1]).toMatchObject({ reason: 'away' });
  });

  it('say nothing of what passes by itself, of which the engine tells', () => {
    const { outcomes, lines } = recording(() => ({ status: 'unavailable', cause: new LogFull('full') }));
    outcomes.record(attempts[0]!, COMMAND);
    expect(lines).toEqual([]);
    expect(outcomes.shards()).toHaveLength(1);
  });

  it('say at a stop how many are left behind, and are not tried again', () => {
    const made = recording();
    made.outcomes.end();
    for (const attempt of attempts.slice(0, 40)) made.outcomes.record(attempt, COMMAND);
    made.outcomes.stop();
    expect(made.lines).toEqual([{ attempts: 40 }]);
    expect(made.again).toEqual([]);
    const none = recording();
    none.outcomes.stop();
    expect(none.lines).toEqual([]);
  });
});
