import { afterEach, describe, expect, it } from '@jest/globals';
import type { JsonText, RunCommand } from '#domain';
import { decodeRunEvent, runStream, type EventStore, type Revision } from '#event-store';
import { NOBODY, type LoadedRun, type RunEngine, type StartReply } from './index.js';
import { newEngine, Recorder, runIdOf, start, stopEngines, TWO_STEPS, TwistedStore } from './testing/engine-world.js';

afterEach(stopEngines);

const A = runIdOf('a');
const answerOf = (step: string): RunCommand => ({
  ...{ type: 'CompleteAttempt', step, attempt: 1, status: 200 },
  output: `"${step}"` as JsonText,
});
const submit = (engine: RunEngine, command: RunCommand): Promise<unknown> =>
  new Promise((done) => engine.submit(A, command, NOBODY, done));

const startAwaited = (engine: RunEngine): Promise<StartReply> =>
  new Promise((settle) => engine.start(A, start('a'), TWO_STEPS, NOBODY, settle, true));

/** The start of a run that is waited for, and its end. */
const awaited = (engine: RunEngine) => {
  let ended: (loaded: LoadedRun | null) => void;
  const end = new Promise<LoadedRun | null>((resolve) => (ended = resolve));
  let stop = (): void => undefined;
  const started = new Promise<StartReply>((settle) =>
    engine.start(
      ...([A, start('a'), TWO_STEPS, NOBODY] as const),
      (reply) => {
        // As the API does it: out of the answer to the start, and so within the commit.
        stop = engine.whenEnded(A, ended);
        settle(reply);
      },
      true,
    ),
  );
  return { started, end, giveUp: () => stop() };
};

const factsIn = async (store: EventStore) =>
  (await store.readStream(runStream(A))).map(({ type, v, data, recordedAt }) => ({
    event: decodeRunEvent(type, v, data),
    at: recordedAt,
  }));

describe('what is kept for who waits for a run', () => {
  it('is all that the log has of it, at its end and before, without the log being read', async () => {
    const store = new TwistedStore();
    const { engine } = await newEngine(new Recorder(), store);
    const { started, end } = awaited(engine);
    await started;
    expect((await engine.load(A))?.facts).toEqual(await factsIn(store));
    let reads = 0;
    store.readPages = async function* () {
      reads += 1;
      yield* [];
    };
    for (const step of ['s0', 's1']) await submit(engine, answerOf(step));
    const loaded = await end;
    expect([loaded?.run.status, reads]).toEqual(['completed', 0]);
    expect(loaded?.facts).toEqual(await factsIn(store));
    expect(loaded?.facts).toHaveLength(loaded!.revision + 1);
  });

  it('is nothing for a start that nobody waits for', async () => {
    const { engine, begin } = await newEngine(new Recorder());
    await begin('a');
    const end = new Promise<LoadedRun | null>((resolve) => void engine.whenEnded(A, resolve));
    for (const step of ['s0', 's1']) await submit(engine, answerOf(step));
    expect((await end)?.facts).toBe(null);
  });

  it('is dropped once nobody waits any more', async () => {
    const { engine } = await newEngine(new Recorder());
    const { started, giveUp } = awaited(engine);
    await started;
    giveUp();
    expect((await engine.load(A))?.facts).toBe(null);
    await submit(engine, answerOf('s0'));
    expect((await engine.load(A))?.facts).toBe(null);
  });

  it('is there for who does not wait after all, in the turn of the answer alone', async () => {
    const { engine, store } = await newEngine(new Recorder());
    const facts = new Promise<LoadedRun['facts'] | undefined>((resolve) =>
      engine.start(
        ...([A, start('a'), TWO_STEPS, NOBODY] as const),
        () => void engine.load(A).then((loaded) => resolve(loaded?.facts)),
        true,
      ),
    );
    expect(await facts).toEqual(await factsIn(store));
    // Readers have until the end of a turn.
    await new Promise((turn) => setImmediate(turn));
    expect((await engine.load(A))?.facts).toBe(null);
  });

  it('begins at the first event of a run whose key was known', async () => {
    const store = new TwistedStore();
    const one = await newEngine(new Recorder(), store);
    await one.begin('a');
    await submit(one.engine, answerOf('s0'));
    const two = await newEngine(new Recorder(), store);
    const { started, end } = awaited(two.engine);
    expect((await started).status).toBe('replayed');
    await submit(two.engine, answerOf('s1'));
    const loaded = await end;
    expect(loaded?.run.status).toBe('completed');
    expect(loaded?.facts).toEqual(await factsIn(store));
  });

  it('is not there twice when the run had to be read again', async () => {
    const store = new TwistedStore();
    const { engine } = await newEngine(new Recorder(), store);
    const { started, end } = awaited(engine);
    await started;
    store.twist = (_append, settle) => {
      store.twist = null;
      setImmediate(() => settle({ status: 'conflict', actual: 2 as Revision }));
      return true;
    };
    for (const step of ['s0', 's1']) await submit(engine, answerOf(step));
    expect((await end)?.facts).toEqual(await factsIn(store));
  });

  it('has what others append on a shared log', async () => {
    const store = new TwistedStore();
    const api = await newEngine(null, store, { sharedLog: true });
    const { started, end } = awaited(api.engine);
    await started;
    const dispatcher = await newEngine(new Recorder(), store, { sharedLog: true });
    await submit(dispatcher.engine, { type: 'WakeUp' });
    for (const step of ['s0', 's1']) await submit(dispatcher.engine, answerOf(step));
    expect((await end)?.facts).toEqual(await factsIn(store));
  });

  it('is no more than 1,000 events', async () => {
    const { engine } = await newEngine(new Recorder());
    const { started } = awaited(engine);
    await started;
    const note = { type: 'NoteDuplicateStarts', count: 1, refused: 0, last: true } as const;
    for (let noted = 0; noted < 997; noted++) await submit(engine, note);
    expect((await engine.load(A))?.facts).toHaveLength(1_000);
    await submit(engine, note);
    expect((await engine.load(A))?.facts).toBe(null);
  });

  it('is not kept of a run that was in memory before', async () => {
    const { engine, begin } = await newEngine(new Recorder());
    await begin('a');
    expect((await startAwaited(engine)).status).toBe('replayed');
    expect((await engine.load(A))?.facts).toBe(null);
  });
});
