import { afterEach, describe, expect, it } from '@jest/globals';
import { runStream } from '#event-store';
import type { RunCommand } from '#domain';
import { newEngine, NOBODY, Recorder, runIdOf, stopEngines, TwistedStore } from './testing/engine-world.js';

afterEach(stopEngines);

const X = runIdOf('x');

/** Counts the events that are read. */
class CountingStore extends TwistedStore {
  eventsRead = 0;
  override async *readPages(...args: Parameters<TwistedStore['readPages']>) {
    for await (const page of super.readPages(...args)) {
      this.eventsRead += page.length;
      yield page;
    }
  }
}

/** A run that has so many events, its owner, and an API that has it in memory. */
const longRun = async (events: number) => {
  const store = new CountingStore();
  const api = await newEngine(null, store, { sharedLog: true });
  const owner = await newEngine(new Recorder(), store, { sharedLog: true });
  const submit = (command: RunCommand) => new Promise((done) => owner.engine.submit(X, command, NOBODY, done));
  let attempt = 0;
  /** The owner's dispatcher gives the attempt back, and makes it again. */
  const interrupt = () =>
    submit({ type: 'InterruptAttempt', step: 's0', attempt: (attempt += 1), class: 'not-executed' });
  await api.begin('x');
  await submit({ type: 'WakeUp' });
  while (2 * attempt < events) await interrupt();
  await api.engine.load(X);
  await new Promise((resolve) => setImmediate(resolve));
  store.eventsRead = 0;
  return { store, api, owner, interrupt };
};

describe('a conflict', () => {
  it.each([100, 1_500])('costs the tail, at the owner as at the API, of a run of %s events', async (events) => {
    const { store, api, owner, interrupt } = await longRun(events);
    const length = async () => (await store.readStream(runStream(X))).length;
    const before = await length();
    await api.begin('x'); // which it notes as a duplicate
    while ((await length()) === before) await new Promise((resolve) => setImmediate(resolve));
    expect(await interrupt()).toMatchObject({ status: 'accepted', changed: true });
    expect(store.eventsRead).toBe(1);
    expect(await api.engine.cancel(X, null, NOBODY)).toMatchObject({ status: 'cancelled' });
    expect(store.eventsRead).toBe(3);
    expect([owner, api].map(({ engine }) => engine.counts.appends.conflict)).toEqual([1, 1]);
    // What was taken back has left nothing behind.
    const fresh = await (await newEngine(null, store, { sharedLog: true })).engine.load(X);
    for (const { engine } of [owner, api]) expect(await engine.load(X)).toEqual(fresh);
  });
});
