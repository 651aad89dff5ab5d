import { afterEach, describe, expect, it } from '@jest/globals';
import { hasStepEnded, type JsonText, type StepKey } from '#domain';
import { newEngine, NOBODY, Recorder, runIdOf, stopEngines, TwistedStore } from './testing/engine-world.js';

afterEach(stopEngines);

const A = runIdOf('a');

/** An engine with an owner, and one that hears of its runs as `sharedLog` says. */
const world = async (sharedLog: boolean) => {
  const store = new TwistedStore();
  const owner = await newEngine(new Recorder(), store, { sharedLog });
  const other = sharedLog ? await newEngine(null, store, { sharedLog }) : owner;
  const told: string[] = [];
  const wait = (key: string, step: StepKey, name = step): (() => void) =>
    other.engine.whenStepEnded(runIdOf(key), step, (loaded) => {
      const state = loaded?.run;
      const isOver = state !== undefined && hasStepEnded(state, step);
      told.push(`${name}: ${isOver ? 'over' : '-'} in ${state?.status ?? 'no run'}`);
    });
  const succeed = (step: StepKey): Promise<unknown> =>
    new Promise((done) =>
      owner.engine.submit(
        A,
        { type: 'CompleteAttempt', step, attempt: 1, status: 200, output: '1' as JsonText },
        NOBODY,
        done,
      ),
    );
  const toldOf = async (count: number): Promise<readonly string[]> => {
    while (told.length < count) await new Promise((resolve) => setImmediate(resolve));
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    return told.splice(0);
  };
  return { store, owner, other, wait, succeed, toldOf };
};

describe.each([
  ['of its own', false],
  ['that others append to', true],
])('who waits for the end of a step, on a log %s', (_name, sharedLog) => {
  it('is told once, after the commit, while the run goes on', async () => {
    const { owner, wait, succeed, toldOf } = await world(sharedLog);
    await owner.begin('a');
    wait('a', 's0');
    wait('a', 's1');
    wait('a', 's0', 'also s0');
    await succeed('s0');
    expect(await toldOf(2)).toEqual(['s0: over in running', 'also s0: over in running']);
    await succeed('s1');
    expect(await toldOf(1)).toEqual(['s1: over in completed']);
  });

  it('is told at once of a step that has ended', async () => {
    const { owner, wait, succeed, toldOf } = await world(sharedLog);
    await owner.begin('a');
    await succeed('s0');
    wait('a', 's0');
    expect(await toldOf(1)).toEqual(['s0: over in running']);
  });

  it('is told of the end of the run, be it without the step, and that there is no run', async () => {
    const { owner, wait, toldOf } = await world(sharedLog);
    await owner.begin('a');
    wait('a', 's1');
    wait('a', 'no-step');
    wait('nobody', 's0');
    expect(await toldOf(1)).toEqual(['s0: - in no run']);
    await owner.engine.cancel(A, null, NOBODY);
    expect(await toldOf(2)).toEqual(['s1: - in cancelled', 'no-step: - in cancelled']);
    wait('a', 's1');
    expect(await toldOf(1)).toEqual(['s1: - in cancelled']);
  });

  it('is told nothing once it has stopped waiting, and keeps no run in memory', async () => {
    const { owner, other, wait, succeed, toldOf } = await world(sharedLog);
    await owner.begin('a');
    const stop = wait('a', 's0');
    wait('a', 's0', 'stays');
    stop();
    await succeed('s0');
    expect(await toldOf(1)).toEqual(['stays: over in running']);
    await owner.engine.cancel(A, null, NOBODY);
    expect(await toldOf(0)).toEqual([]);
    expect(other.engine.isActive(A)).toBe(false);
  });

  it('waits on for its step when the run cannot be read for a while', async () => {
    const { store, owner, succeed } = await world(sharedLog);
    await owner.begin('a');
    await succeed('s0');
    const late = await newEngine(null, store, { sharedLog });
    const readPages = store.readPages.bind(store);
    let failed = 0;
    // eslint-disable-next-line require-yield
    store.readPages = async function* () {
      failed += 1;
      store.readPages = readPages;
      await new Promise((resolve) => setImmediate(resolve));
      throw Object.assign(new Error('the connection broke'), { retryable: true });
    };
    const told = new Promise((resolve) => late.engine.whenStepEnded(A, 's0', resolve));
    const ended: unknown[] = [];
    late.engine.whenEnded(A, (loaded) => ended.push(loaded?.run.status));
    expect(await told).toMatchObject({ run: { status: 'running' } });
    expect([failed, ended]).toEqual([1, []]);
  });
});
