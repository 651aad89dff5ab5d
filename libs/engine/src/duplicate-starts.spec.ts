import { afterEach, describe, expect, it } from '@jest/globals';
import { runStream, type RecordedEvent } from '#event-store';
import type { JsonText, NoteDuplicateStarts } from '#domain';
import { TestClock } from '../../dispatch/src/testing/test-clock.js';
import { DuplicateStarts } from './duplicate-starts.js';
import { EngineCounts } from './engine-counts.js';
import { newEngine, runIdOf, start, stopEngines, TWO_STEPS, TwistedStore } from './testing/engine-world.js';
import { NOBODY, type RunId, type StartReply } from './runs.js';

afterEach(stopEngines);

const turns = async (): Promise<void> => {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
};

const world = async () => {
  const clock = new TestClock();
  const store = new TwistedStore();
  const made = await newEngine(null, store, { clock });
  const again = (change: { readonly fingerprint?: string } = {}) =>
    made.begin('a', { input: '1' as JsonText, ...change });
  const noted = async (): Promise<unknown[]> =>
    (await store.readStream(runStream(runIdOf('a'))))
      .filter(({ type }: RecordedEvent) => type === 'DuplicateStartsSeen')
      .map(({ data }) => JSON.parse(data) as unknown);
  return { ...made, clock, store, again, noted };
};

describe('duplicate starts', () => {
  it('are in the log after a stop, however short a time ago the first was noted', async () => {
    const { engine, again, noted } = await world();
    await again();
    for (let count = 0; count < 5; count++) await again();
    await turns();
    expect(await noted()).toEqual([{ count: 1, refused: 0 }]);
    await engine.stop();
    expect(await noted()).toEqual([
      { count: 1, refused: 0 },
      { count: 4, refused: 0 },
    ]);
  });

  it('that were refused for another payload are noted with them, and all are counted', async () => {
    const { engine, clock, again, noted } = await world();
    await again();
    expect(await again({ fingerprint: 'other' })).toMatchObject({ rejection: { code: 'key-reused' } });
    await again({ fingerprint: 'other' });
    await again();
    await turns();
    expect(await noted()).toEqual([{ count: 0, refused: 1 }]);
    clock.pass(60_001);
    await turns();
    expect(await noted()).toEqual([
      { count: 0, refused: 1 },
      { count: 1, refused: 1 },
    ]);
    expect((await engine.load(runIdOf('a')))?.run.duplicates).toMatchObject({ count: 1, refused: 2 });
    expect(engine.counts.duplicates).toEqual({ replayed: 1, refused: 2 });
  });

  it('are noted once though a stop comes while the first is on its way', async () => {
    const { engine, store, again, noted } = await world();
    await again();
    const held: (() => void)[] = [];
    store.twist = (append, settle) => {
      store.twist = null;
      held.push(() => TwistedStore.prototype.append.call(store, append, settle));
      return true;
    };
    await again();
    const replayed = new Promise<StartReply>((settle) =>
      engine.start(runIdOf('a'), start('a', { input: '1' as JsonText }), TWO_STEPS, NOBODY, settle),
    );
    await turns();
    const stopped = engine.stop();
    held[0]!();
    await Promise.all([stopped, replayed]);
    await turns();
    const all = (await noted()) as readonly { readonly count: number }[];
    expect(all.reduce((sum, { count }) => sum + count, 0)).toBe(2);
  });

  it('of a run that takes no note any more are asked for no more', async () => {
    const clock = new TestClock();
    let writes = 0;
    const duplicates = new DuplicateStarts(clock, new EngineCounts(), {
      write: (_runId, _command, done) => {
        writes += 1;
        done({ status: 'accepted', loaded: null as never, changed: false });
      },
      isClosed: () => true,
    });
    duplicates.answered('a' as RunId, { status: 'rejected', rejection: { code: 'key-reused', first: '', given: '' } });
    clock.pass(600_000);
    expect(writes).toBe(1);
    await duplicates.stop();
    expect(writes).toBe(1);
  });

  it('of more runs than are counted are noted at once, so that none is lost', async () => {
    const clock = new TestClock();
    const noted: [RunId, number][] = [];
    const duplicates = new DuplicateStarts(clock, new EngineCounts(), {
      write: (runId, { count }, done) => {
        noted.push([runId, count]);
        done({ status: 'accepted', loaded: null as never, changed: true });
      },
      isClosed: () => false,
    });
    const replayed = (runId: string): StartReply =>
      duplicates.answered(runId as RunId, { status: 'replayed' } as StartReply);
    for (const runId of ['first', 'first', 'first']) replayed(runId);
    for (let run = 0; run < 10_000; run++) replayed(`${run}`);
    expect(noted.filter(([runId]) => runId === 'first')).toEqual([
      ['first', 1],
      ['first', 2],
    ]);
    await duplicates.stop();
  });

  const told: StartReply = { status: 'rejected', rejection: { code: 'key-reused', first: 'f1', given: 'f2' } };
  /** Notes that are answered by hand. */
  const byHand = () => {
    const clock = new TestClock();
    const notes: (Pick<NoteDuplicateStarts, 'count' | 'refused'> & {
      readonly runId: RunId;
      readonly done: (changed: boolean) => void;
    })[] = [];
    const duplicates = new DuplicateStarts(clock, new EngineCounts(), {
      write: (runId, { count, refused }, done) =>
        notes.push({
          runId,
          count,
          refused,
          done: (changed) => done({ status: 'accepted', loaded: null as never, changed }),
        }),
      isClosed: () => false,
    });
    return { clock, notes, duplicates, again: (key: string) => duplicates.answered(runIdOf(key), told) };
  };

  it('that a note did not take are in the next', () => {
    const { clock, notes, duplicates, again } = byHand();
    again('a');
    again('a');
    duplicates.answered(runIdOf('a'), { status: 'replayed' } as StartReply);
    notes[0]!.done(false);
    clock.pass(60_001);
    notes[1]!.done(false);
    clock.pass(60_001);
    expect(notes.map(({ count, refused }) => [count, refused])).toEqual([
      [0, 1],
      [1, 2],
      [1, 2],
    ]);
  });

  it('hold a stop until the last note is written', async () => {
    const { notes, duplicates, again } = byHand();
    again('a');
    let stopped = false;
    const stop = duplicates.stop().then(() => (stopped = true));
    await turns();
    expect(stopped).toBe(false);
    notes[0]!.done(true);
    await stop;
  });

  it('that come while a note is on its way follow it at a stop, which waits for both', async () => {
    const { notes, duplicates, again } = byHand();
    for (let count = 0; count < 3; count++) again('a');
    let stopped = false;
    const stop = duplicates.stop().then(() => (stopped = true));
    await turns();
    expect(notes.map(({ refused }) => refused)).toEqual([1]);
    notes[0]!.done(true);
    await turns();
    expect([stopped, ...notes.map(({ refused }) => refused)]).toEqual([false, 1, 2]);
    notes[1]!.done(true);
    await stop;
  });

  it('are counted of 10,000 runs, and with one more what is counted of the first is noted', () => {
    const { notes, again } = byHand();
    again('first');
    notes[0]!.done(true);
    again('first');
    for (let run = 1; run < 10_000; run++) again(`run-${run}`);
    expect(notes).toHaveLength(10_000);
    again('one-more');
    expect(notes.slice(10_000).map(({ runId, refused }) => [runId, refused])).toEqual([
      [runIdOf('one-more'), 1],
      [runIdOf('first'), 1],
    ]);
    again('first');
    // Counted anew, and so noted at once; the second run makes room.
    expect(notes.slice(10_002).map(({ runId }) => runId)).toEqual([runIdOf('first')]);
  });
});
