import { afterEach, describe, expect, it } from '@jest/globals';
import type { JsonText } from '#domain';
import { MemoryEventStore, runStream } from '#event-store';
import { systemClock, type Clock } from '#runtime';
import {
  failure,
  NOBODY,
  newEngine,
  Recorder,
  runIdOf,
  stopEngines,
  TwistedStore,
  typesOf,
} from './testing/engine-world.js';

afterEach(stopEngines);

describe('RunEngine', () => {
  it('makes one append of a start and its first attempt', async () => {
    const owner = new Recorder();
    const { store, begin } = await newEngine(owner);
    expect(await begin('a')).toMatchObject({ status: 'started' });
    expect(await typesOf(store, 'a')).toEqual(['RunStarted', 'StepEntered', 'AttemptStarted']);
    expect((store as TwistedStore).seen).toHaveLength(1);
    expect(owner.commits.map(({ attempts, fresh }) => ({ attempts, fresh }))).toEqual([
      { attempts: [{ step: 's0', attempt: 1, url: 'http://localhost:1/' }], fresh: true },
    ]);
  });

  it('leaves moves and attempts owed without an owner', async () => {
    const { store, begin } = await newEngine(null);
    await begin('a');
    expect(await typesOf(store, 'a')).toEqual(['RunStarted']);
  });

  it('records what it decides as of the instant that it decided by', async () => {
    let nowMs = Date.parse('2026-01-01T00:00:00Z');
    // Time goes on between two looks at the clock.
    const clock: Clock = { ...systemClock, nowMs: () => (nowMs += 7), now: () => new Date((nowMs += 7)).toISOString() };
    const { engine, store, begin } = await newEngine(new Recorder(), new TwistedStore(), { clock });
    await begin('a');
    await new Promise((done) => engine.submit(runIdOf('a'), failure('s0', 1), NOBODY, done));
    const failed = (await store.readStream(runStream(runIdOf('a')))).at(-1)!;
    const { retryAt } = JSON.parse(failed.data) as { readonly retryAt: string };
    // Half of 500 ms, by equal jitter with no chance.
    expect(Date.parse(retryAt) - Date.parse(failed.recordedAt)).toBe(250);
  });

  it("says who asked, and of its own decisions that they are the owner's", async () => {
    const store = new TwistedStore();
    const owner = new Recorder();
    const { engine, begin } = await newEngine(owner, store);
    await begin('a');
    const asked = (actor: string) => ({ actor, traceparent: null });
    // Both wait for one append, and are two: each event has one actor.
    let release = (): void => undefined;
    store.twist = (append, settle) => {
      store.twist = null;
      release = () => TwistedStore.prototype.append.call(store, append, settle);
      return true;
    };
    engine.submit(runIdOf('a'), failure('s0', 1), owner.origin, null);
    const done = { type: 'NoteDuplicateStarts', count: 1, refused: 0, last: true } as const;
    engine.submit(runIdOf('a'), done, asked('bert'), null);
    const cancelled = engine.cancel(runIdOf('a'), null, asked('ada'));
    release();
    await cancelled;
    const actors = (await store.readStream(runStream(runIdOf('a')))).map(({ type, actor }) => `${type} ${actor}`);
    expect(actors).toEqual([
      'RunStarted null',
      'StepEntered null',
      'AttemptStarted null',
      'AttemptFailed d',
      'DuplicateStartsSeen bert',
      'StepCancelled ada',
      'RunCancelled ada',
    ]);
  });

  it('makes one run of 200 concurrent starts of one key, and answers all of them alike', async () => {
    const { store, begin } = await newEngine(new Recorder());
    const replies = await Promise.all(Array.from({ length: 200 }, () => begin('a')));
    expect(replies.filter(({ status }) => status === 'started')).toHaveLength(1);
    expect(replies.filter(({ status }) => status === 'replayed')).toHaveLength(199);
    expect((await typesOf(store, 'a')).filter((type) => type === 'RunStarted')).toHaveLength(1);
  });

  it('makes one run of starts at two engines over one log', async () => {
    const store = new TwistedStore();
    const one = await newEngine(null, store);
    const two = await newEngine(null, store);
    const replies = await Promise.all([...Array(20).keys()].map((index) => (index % 2 === 0 ? one : two).begin('a')));
    expect(replies.filter(({ status }) => status === 'started')).toHaveLength(1);
    expect(replies.filter(({ status }) => status === 'replayed')).toHaveLength(19);
  });

  it('refuses the key under another payload, and names both fingerprints', async () => {
    const { begin } = await newEngine(new Recorder());
    await begin('a');
    const reply = await begin('a', { fingerprint: 'f2' });
    expect(reply).toEqual({ status: 'rejected', rejection: { code: 'key-reused', first: 'f1', given: 'f2' } });
  });

  it('decides together what came in while an append was in flight', async () => {
    const store = new TwistedStore();
    const { engine, begin } = await newEngine(new Recorder(), store);
    const held: (() => void)[] = [];
    store.twist = (append, settle) => {
      if (held.length > 0) return false;
      held.push(() => MemoryEventStore.prototype.append.call(store, append, settle));
      return true;
    };
    const started = begin('a');
    const cancelled = engine.cancel(runIdOf('a'), 'enough', NOBODY);
    const again = begin('a');
    expect(store.seen).toHaveLength(1);
    held[0]?.();
    expect(await started).toMatchObject({ status: 'started' });
    expect(await cancelled).toMatchObject({ status: 'cancelled' });
    expect(await again).toMatchObject({ status: 'replayed' });
    expect(store.seen.slice(0, 2).map(({ events }) => events.map(({ type }) => type))).toEqual([
      ['RunStarted', 'StepEntered', 'AttemptStarted'],
      ['StepCancelled', 'RunCancelled'],
    ]);
  });

  it('shows a reader nothing that is not committed', async () => {
    const store = new TwistedStore();
    const { engine, begin } = await newEngine(new Recorder(), store);
    await begin('a');
    const held: (() => void)[] = [];
    store.twist = (append, settle) =>
      held.push(() => MemoryEventStore.prototype.append.call(store, append, settle)) > 0;
    const cancelled = engine.cancel(runIdOf('a'), null, NOBODY);
    let loaded: string | undefined;
    const load = engine.load(runIdOf('a')).then((found) => (loaded = found?.run.status));
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(loaded).toBeUndefined();
    store.twist = null;
    held[0]?.();
    await load;
    expect(loaded).toBe('cancelled');
    await cancelled;
  });

  it('repeats an append of unknown outcome byte for byte, whether it was applied or not', async () => {
    for (const applied of [true, false]) {
      const store = new TwistedStore();
      const { begin } = await newEngine(new Recorder(), store);
      let twisted = 0;
      store.twist = (append, settle) => {
        if (twisted++ > 0) return false;
        const unknown = () => settle({ status: 'unknown', cause: new Error('timed out') });
        if (applied) MemoryEventStore.prototype.append.call(store, append, unknown);
        else setImmediate(unknown);
        return true;
      };
      expect(await begin('a')).toMatchObject({ status: 'started' });
      expect(store.seen[1]).toBe(store.seen[0]);
      expect(await typesOf(store, 'a')).toEqual(['RunStarted', 'StepEntered', 'AttemptStarted']);
    }
  });

  it('reads again and decides anew when the stream has moved on, and gives its slots back', async () => {
    const store = new TwistedStore();
    const owner = new Recorder();
    const one = await newEngine(owner, store);
    const two = await newEngine(null, store);
    await one.begin('a');
    expect(await two.engine.cancel(runIdOf('a'), 'by the other', NOBODY)).toMatchObject({ status: 'cancelled' });
    const result = new Promise((done) =>
      one.engine.submit(
        runIdOf('a'),
        { type: 'CompleteAttempt', step: 's0', attempt: 1, status: 200, output: '1' as JsonText },
        NOBODY,
        done,
      ),
    );
    expect(await result).toMatchObject({ status: 'rejected', rejection: { code: 'run-ended' } });
    expect(owner.refunds).toBe(1);
    expect((await typesOf(store, 'a')).at(-1)).toBe('RunCancelled');
  });

  it('answers who waits for the end after its commit, at once when it has ended, and with null for no run', async () => {
    const { engine, begin } = await newEngine(new Recorder());
    await begin('a');
    const waited = new Promise<string | undefined>((resolve) =>
      engine.whenEnded(runIdOf('a'), (loaded) => resolve(loaded?.run.status)),
    );
    await engine.cancel(runIdOf('a'), null, NOBODY);
    expect(await waited).toBe('cancelled');
    expect(
      await new Promise((resolve) => engine.whenEnded(runIdOf('a'), (loaded) => resolve(loaded?.run.status))),
    ).toBe('cancelled');
    expect(await new Promise((resolve) => engine.whenEnded(runIdOf('nobody'), resolve))).toBeNull();
    expect(await engine.load(runIdOf('nobody'))).toBeNull();
    await new Promise((resolve) => setImmediate(resolve));
    expect(engine.size).toBe(0);
  });

  it('counts duplicates in the log: the first at once, the others together, at most once a minute', async () => {
    let nowMs = Date.parse('2026-01-01T00:00:00Z');
    const timers: { atMs: number; call: () => void }[] = [];
    const clock: Clock = {
      nowMs: () => nowMs,
      monotonicMs: () => nowMs,
      now: () => new Date(nowMs).toISOString(),
      after: (delayMs, call) => {
        const timer = { atMs: nowMs + delayMs, call };
        timers.push(timer);
        return () => void timers.splice(timers.indexOf(timer), 1);
      },
    };
    const store = new TwistedStore();
    const { engine, begin } = await newEngine(null, store, { clock });
    await begin('a');
    for (let index = 0; index < 50; index++) await begin('a');
    await engine.load(runIdOf('a'));
    const counts = async () =>
      (await store.readStream(runStream(runIdOf('a'))))
        .filter(({ type }) => type === 'DuplicateStartsSeen')
        .map(({ data }): unknown => JSON.parse(data));
    expect(await counts()).toEqual([{ count: 1, refused: 0 }]);
    nowMs += 60_001;
    for (const timer of timers.splice(0)) timer.call();
    while ((await counts()).length < 2) await new Promise((resolve) => setImmediate(resolve));
    expect(await counts()).toEqual([
      { count: 1, refused: 0 },
      { count: 49, refused: 0 },
    ]);
  });
});
