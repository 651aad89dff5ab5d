import { describe, expect, it } from '@jest/globals';
import { AppendRefused, type Append, type AppendOutcome, type EventStore } from '#event-store';
import { silentLog, systemEntropy } from '#runtime';
import { TestClock } from '../../dispatch/src/testing/test-clock.js';
import { EngineCounts } from './engine-counts.js';
import { LogAppends, type Sending } from './log-appends.js';

type Named = Sending & { readonly name: string };
const UNKNOWN: AppendOutcome = { status: 'unknown', cause: new Error('no answer') };

/** A store that answers when the test says so. */
const away = () => {
  const clock = new TestClock();
  const pending: { readonly append: Append; readonly settle: (outcome: AppendOutcome) => void }[] = [];
  const store: Pick<EventStore, 'append'> = { append: (append, settle) => void pending.push({ append, settle }) };
  const unwanted = new Set<Named>();
  const asked: string[] = [];
  const settled: string[] = [];
  const appends = new LogAppends<Named>(store, clock, systemEntropy, silentLog, new EngineCounts(), {
    isWanted: (sending) => {
      asked.push(sending.name);
      return !unwanted.has(sending);
    },
    settled: ({ name }, { status }) => void settled.push(`${name} ${status}`),
  });
  // Nothing reads what the append holds.
  const sending = (name: string): Named => ({ append: { stream: name } as Append, sent: 0, unknown: 0, name });
  return { clock, pending, unwanted, asked, settled, appends, sending };
};

/** Two appends were left without an outcome: the store is down, and one of them is sent as a probe. */
const down = () => {
  const world = away();
  const [a, b, c] = [world.sending('a'), world.sending('b'), world.sending('c')];
  world.appends.append(a);
  world.appends.append(b);
  for (const { settle } of world.pending.splice(0)) settle(UNKNOWN);
  world.appends.append(c);
  world.clock.pass(6_000);
  expect(world.pending).toHaveLength(1);
  const probe = [a, b, c].find(({ append }) => append === world.pending[0]!.append)!;
  return { ...world, probe };
};

describe('a log that does not answer', () => {
  it.each([
    ['its run is not here any more', UNKNOWN, true],
    ['the store will never take it', { status: 'unknown', cause: new AppendRefused('too large') }, false],
  ] as const)('is probed by another append when nothing comes of the probe: %s', (_why, outcome, isUnwanted) => {
    const { clock, pending, unwanted, settled, probe } = down();
    if (isUnwanted) unwanted.add(probe);
    pending.shift()!.settle(outcome);
    expect(settled).toEqual([`${probe.name} unknown`]);
    clock.pass(6_000);
    expect(pending).toHaveLength(1);
    expect(pending[0]!.append).not.toBe(probe.append);
  });

  it('asks of each append that waits once whether it is still wanted, and settles those that are not', () => {
    const { asked, unwanted, settled, appends, sending, pending } = down();
    const late = sending('late');
    appends.append(late);
    unwanted.add(late);
    asked.length = 0;
    appends.sift();
    expect(asked.toSorted()).toEqual([...new Set(asked)].toSorted());
    expect(settled).toEqual(['late unknown']);
    expect(pending).toHaveLength(1);
  });

  it('lets others through when it leaves one append alone unknown, however often', () => {
    const { clock, pending, appends, sending } = away();
    appends.append(sending('cursed'));
    for (let time = 0; time < 3; time++) {
      pending.shift()!.settle(UNKNOWN);
      if (time < 2) clock.pass(6_000);
    }
    appends.append(sending('other'));
    expect(pending.map(({ append }) => append.stream)).toEqual(['other']);
  });

  it('is probed by each of those that wait in turn', () => {
    const { clock, pending, probe } = down();
    const probes = [probe.name];
    for (let time = 0; time < 2; time++) {
      pending.shift()!.settle(UNKNOWN);
      clock.pass(6_000);
      probes.push(pending[0]!.append.stream);
    }
    expect(probes.toSorted()).toEqual(['a', 'b', 'c']);
  });

  it('is not sent what nobody wants any more when its turn comes', () => {
    const { clock, pending, unwanted, settled, appends, sending } = down();
    const [late, wanted] = [sending('late'), sending('wanted')];
    appends.append(late);
    appends.append(wanted);
    unwanted.add(late);
    const sent: string[] = [];
    for (let time = 0; time < 6; time++) {
      const { append, settle } = pending.shift()!;
      sent.push(append.stream);
      settle(UNKNOWN);
      clock.pass(6_000);
    }
    expect(sent).toContain('wanted');
    expect(sent).not.toContain('late');
    expect(settled).toEqual(['late unknown']);
  });

  it('is sent all that waits once more at a stop, and nothing again', () => {
    const { clock, pending, settled, appends, sending } = down();
    appends.append(sending('late'));
    const probe = pending.shift()!;
    appends.stop();
    const names = pending.map(({ append }) => append.stream);
    expect([...names, probe.append.stream].toSorted()).toEqual(['a', 'b', 'c', 'late']);
    for (const { settle } of [probe, ...pending.splice(0)]) settle(UNKNOWN);
    clock.pass(60_000);
    expect(pending).toEqual([]);
    expect(settled.toSorted()).toEqual(['a unknown', 'b unknown', 'c unknown', 'late unknown']);
  });
});
