import { afterEach, describe, expect, it } from '@jest/globals';
import { runStream, type RecordedEvent } from '#event-store';
import type { JsonText } from '#domain';
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
});
