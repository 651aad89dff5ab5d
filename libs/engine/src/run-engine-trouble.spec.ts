import { afterEach, describe, expect, it } from '@jest/globals';
import type { JsonText, Plan, Policy } from '#domain';
import { AppendRefused, LogFull, MemoryEventStore, runStream, type Append } from '#event-store';
import { silentLog, systemClock, type Clock, type Log, type LogFields } from '#runtime';
import { parallel, planOf, step as branch } from '../../domain/src/testing/tree-plans.js';
import type { StartReply } from './index.js';
import {
  failure,
  NOBODY,
  newEngine,
  POLICIES,
  Recorder,
  runIdOf,
  start,
  stopEngines,
  TWO_STEPS,
  TwistedStore,
  typesOf,
} from './testing/engine-world.js';
import { historyIn } from './testing/history-in.js';

afterEach(stopEngines);

describe('RunEngine in trouble', () => {
  it('lets a command through however many readers come', async () => {
    const { engine, store, begin } = await newEngine(new Recorder());
    await begin('a');
    let reading = true;
    const reader = async () => {
      while (reading) {
        await engine.load(runIdOf('a'));
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    const readers = Array.from({ length: 8 }, reader);
    const cancelled = engine.cancel(runIdOf('a'), null, NOBODY);
    const tooLate = setTimeout(() => (reading = false), 1_000);
    expect(await cancelled).toMatchObject({ status: 'cancelled' });
    expect(reading).toBe(true);
    clearTimeout(tooLate);
    reading = false;
    await Promise.all(readers);
    expect((await typesOf(store, 'a')).at(-1)).toBe('RunCancelled');
  });

  it('decides what came while a run was read, though who had it read is gone by then', async () => {
    const store = new TwistedStore();
    const first = await newEngine(new Recorder(), store);
    await first.begin('a');
    let go = (): void => undefined;
    const readPages = store.readPages.bind(store);
    store.readPages = async function* (...args) {
      await new Promise<void>((resolve) => (go = resolve));
      yield* readPages(...args);
    };
    const { engine } = await newEngine(new Recorder(), store);
    const reader = engine.load(runIdOf('a'), 1);
    const done = new Promise((resolve) => engine.submit(runIdOf('a'), failure('s0', 1), NOBODY, resolve));
    await expect(reader).rejects.toMatchObject({ code: 'log-silent' });
    go();
    expect(await done).toMatchObject({ status: 'accepted' });
  });

  it('answers readers of a run on a shared log that always has something to append', async () => {
    const store = new TwistedStore();
    const owner = new Recorder();
    const [{ retry, timeouts }] = POLICIES as [Policy];
    const often = { ...retry, maxAttempts: 1_000, schedule: [0] };
    const plan: Plan = { ...TWO_STEPS, policies: [{ retry: often, timeouts }] };
    const { engine, begin } = await newEngine(owner, store, { plan, sharedLog: true });
    store.twist = (append, settle) => {
      setImmediate(() => MemoryEventStore.prototype.append.call(store, append, settle));
      return true;
    };
    owner.committed = ({ attempts }) => {
      for (const { step, attempt } of attempts) engine.submit(runIdOf('a'), failure(step, attempt), NOBODY, null);
    };
    await begin('a');
    const before = store.seen.length;
    for (let read = 0; read < 10; read++) {
      const { run } = (await engine.load(runIdOf('a')))!;
      // What it shows is in the log, and no older than the question.
      expect(run.revision).toBe((await store.readStream(runStream(runIdOf('a')))).at(-1)?.revision);
    }
    expect(store.seen.length - before).toBeLessThan(40);
    expect(await engine.cancel(runIdOf('a'), null, NOBODY)).toMatchObject({ status: 'cancelled' });
  });

  it('answers thousands who wait for one end, each of whom stops waiting as it is told', async () => {
    const { engine, begin } = await newEngine(new Recorder());
    await begin('a');
    let told = 0;
    for (let index = 0; index < 20_000; index++) {
      const stopWaiting = engine.whenEnded(runIdOf('a'), () => {
        told += 1;
        stopWaiting();
      });
    }
    await engine.cancel(runIdOf('a'), null, NOBODY);
    await new Promise((resolve) => setImmediate(resolve));
    expect(told).toBe(20_000);
  });

  it.each([false, true])(
    'is hurt by nobody who fails over its answer, and says so (shared log: %s)',
    async (sharedLog) => {
      const errors: LogFields[] = [];
      const log: Log = { ...silentLog, error: (_text, fields = {}) => void errors.push(fields) };
      const { engine, store } = await newEngine(new Recorder(), new TwistedStore(), { log, sharedLog });
      const runId = runIdOf('a');
      const fail = (): never => {
        throw new RangeError('Invalid string length');
      };
      engine.start(runId, start('a'), TWO_STEPS, NOBODY, fail);
      await engine.load(runId);
      engine.whenEnded(runId, fail);
      const ended = new Promise((resolve) => engine.whenEnded(runId, resolve));
      engine.submit(runId, { type: 'WakeUp' }, NOBODY, fail);
      await engine.cancel(runId, null, NOBODY);
      expect(await ended).toMatchObject({ run: { status: 'cancelled' } });
      expect(errors).toEqual(Array(3).fill({ runId, err: expect.any(RangeError) }));
      expect((await typesOf(store, 'a')).at(-1)).toBe('RunCancelled');
      expect(engine.isActive(runId)).toBe(false);
    },
  );

  it('tells everyone that a run could not be read, also those behind one who fails over it', async () => {
    const { engine, store } = await newEngine(new Recorder());
    // eslint-disable-next-line require-yield
    store.readPages = async function* () {
      throw new Error('damaged');
    };
    const told: unknown[] = [];
    const fail = (): never => {
      throw new RangeError('Invalid string length');
    };
    engine.submit(runIdOf('a'), { type: 'WakeUp' }, NOBODY, fail);
    engine.submit(runIdOf('a'), { type: 'WakeUp' }, NOBODY, (result) => told.push(result.status));
    engine.whenEnded(runIdOf('a'), fail);
    await new Promise<void>((resolve) => engine.whenEnded(runIdOf('a'), (loaded) => resolve(void told.push(loaded))));
    expect(told).toEqual(['unavailable', null]);
  });

  it('makes no second append beside the one it decides, when a slot given back wakes the very run', async () => {
    let nowMs = Date.parse('2026-01-01T00:00:00Z');
    const clock: Clock = { ...systemClock, nowMs: () => nowMs, now: () => new Date(nowMs).toISOString() };
    const store = new TwistedStore();
    const owner = new Recorder();
    const { engine } = await newEngine(owner, store, { clock });
    const late = { timeouts: { stepMs: 100 } };
    const plan = planOf(
      parallel({ name: 'all', onError: 'continue' }, branch('a'), branch('b', late), branch('c', late)),
    );
    let free = 1;
    owner.grant = () => (free-- > 0 ? { dispatcher: 'd', boot: 'b1' } : null) as never;
    // As the dispatcher does: the slot goes to the run that waits longest, and that is this one.
    owner.refund = () => {
      free += 1;
      engine.submit(runIdOf('a'), { type: 'WakeUp' }, NOBODY, null);
    };
    await new Promise<StartReply>((settle) => engine.start(runIdOf('a'), start('a'), plan, NOBODY, settle));
    const conflicts: Append[] = [];
    store.twist = (append, settle) => {
      MemoryEventStore.prototype.append.call(store, append, (outcome) => {
        if (outcome.status === 'conflict') conflicts.push(append);
        settle(outcome);
      });
      return true;
    };
    nowMs += 200;
    free = 1;
    const command = {
      type: 'CompleteAttempt',
      step: 'all.a',
      attempt: 1,
      status: 200,
      output: '1' as JsonText,
    } as const;
    await new Promise((done) => engine.submit(runIdOf('a'), command, NOBODY, done));
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(conflicts).toEqual([]);
    const { revision } = (await engine.load(runIdOf('a')))!;
    const { steps } = await historyIn(store, runIdOf('a'));
    expect((await store.readStream(runStream(runIdOf('a')))).at(-1)?.revision).toBe(revision);
    expect(steps.get('all.a')?.status).toBe('completed');
    expect(['all.b', 'all.c'].map((key) => steps.get(key)?.error?.name)).toContain('Stepwell.StepTimeout');
  });

  it('shows who cancels nothing that another answer of the same commit led to', async () => {
    const store = new TwistedStore();
    const { engine, begin } = await newEngine(new Recorder(), store);
    let commitStart = (): void => undefined;
    store.twist = (append, settle) => {
      if (append.events[0]?.type === 'RunStarted')
        commitStart = () => MemoryEventStore.prototype.append.call(store, append, settle);
      return append.events[0]?.type !== 'StepCancelled';
    };
    const started = begin('a');
    const [again, cancelled] = [begin('a'), engine.cancel(runIdOf('a'), null, NOBODY)];
    commitStart();
    expect([await started, await again]).toMatchObject([{ status: 'started' }, { status: 'replayed' }]);
    const reply = await cancelled;
    const shown = reply.status === 'cancelled' ? reply.loaded : null;
    expect([shown?.run.duplicates.count, shown?.run.revision]).toEqual([0, (await typesOf(store, 'a')).length - 1]);
    // What the replay led to is under way, and never comes to an end here.
    await new Promise((resolve) => setImmediate(resolve));
    expect(store.seen.at(-1)?.events[0]?.type).toBe('DuplicateStartsSeen');
    await engine.stop(10);
  });

  it('gives up what no append can hold, and nothing else of the run', async () => {
    const store = new TwistedStore();
    const owner = new Recorder();
    const { engine, begin } = await newEngine(owner, store);
    await begin('a');
    store.twist = () => {
      throw new AppendRefused('an append holds at most 786432 bytes, not 786433');
    };
    const waited = new Promise((resolve) => engine.whenEnded(runIdOf('a'), resolve));
    expect(await engine.cancel(runIdOf('a'), null, NOBODY)).toMatchObject({ status: 'unavailable' });
    expect(await waited).toBeNull();
    expect((await engine.load(runIdOf('a')))?.run.status).toBe('running');
    store.twist = null;
    expect(await engine.cancel(runIdOf('a'), null, NOBODY)).toMatchObject({ status: 'cancelled' });
    expect(owner.refunds).toBe(0);
  });

  it('tells everyone of a run that cannot be read, keeps nothing of it, and reads it again', async () => {
    const store = new TwistedStore();
    await (await newEngine(new Recorder(), store)).begin('a');
    const { engine } = await newEngine(new Recorder('b1'), store);
    const readPages = store.readPages.bind(store);
    let reads = 0;
    // eslint-disable-next-line require-yield
    store.readPages = async function* () {
      reads += 1;
      await new Promise((resolve) => setImmediate(resolve));
      throw new Error('the disk is gone');
    };
    const first = engine.load(runIdOf('a'));
    const second = engine.load(runIdOf('a'));
    const waited = new Promise((resolve) => engine.whenEnded(runIdOf('a'), resolve));
    const cancelled = engine.cancel(runIdOf('a'), null, NOBODY);
    await expect(first).rejects.toThrow('the disk is gone');
    await expect(second).rejects.toThrow('the disk is gone');
    expect(await waited).toBeNull();
    expect(await cancelled).toMatchObject({ status: 'unavailable' });
    // One read tells all of them.
    expect([engine.size, reads]).toEqual([0, 1]);
    store.readPages = readPages;
    expect((await engine.load(runIdOf('a')))?.run.status).toBe('running');
  });

  it('replays a start from a step that today has another name', async () => {
    const store = new TwistedStore();
    const one = await newEngine(null, store);
    await one.begin('a', { fromStep: 's1' });
    await one.engine.cancel(runIdOf('a'), null, NOBODY);
    const today = { ...TWO_STEPS, nodes: TWO_STEPS.nodes.map((node) => ({ ...node, name: `${node.name}-new` })) };
    const again = new Promise((settle) =>
      one.engine.start(runIdOf('a'), start('a', { fromStep: 's1' }), today, NOBODY, settle),
    );
    expect(await again).toMatchObject({ status: 'replayed' });
  });

  it('tells whoever asks that the log has no room, keeps who waits for the end, and goes on by itself with room', async () => {
    const owner = new Recorder();
    const store = new TwistedStore();
    const { engine, begin } = await newEngine(owner, store);
    await begin('a');
    const ended = new Promise((resolve) => engine.whenEnded(runIdOf('a'), resolve));
    const fault = new LogFull('no room');
    store.twist = (_append, settle) => {
      queueMicrotask(() => settle({ status: 'refused', fault }));
      return true;
    };
    for (let again = 0; again < 3; again++) {
      expect(await begin('b')).toEqual({ status: 'unavailable', cause: fault });
      expect(await engine.cancel(runIdOf('a'), null, NOBODY)).toEqual({ status: 'unavailable', cause: fault });
    }
    expect(owner.refunds).toBe(3);
    // Of a run that is not there, nothing is owed.
    expect(owner.stalls).toEqual([runIdOf('a'), runIdOf('a'), runIdOf('a')]);
    expect(engine.counts.appends.refused).toBe(6);
    expect(engine.room.isFull).toBe(true);
    const [a, b] = [await engine.load(runIdOf('a')), await engine.load(runIdOf('b'))];
    expect([a?.run.status, b]).toEqual(['running', null]);
    store.twist = null;
    expect(await begin('b')).toMatchObject({ status: 'started' });
    expect(engine.room.isFull).toBe(false);
    expect(await engine.cancel(runIdOf('a'), null, NOBODY)).toMatchObject({ status: 'cancelled' });
    expect(await ended).toMatchObject({ run: { status: 'cancelled' } });
  });

  it('asks no more than once to record what another boot left when the log has no room', async () => {
    const store = new TwistedStore();
    const first = await newEngine(new Recorder('b1'), store);
    await first.begin('a');
    const second = await newEngine(new Recorder('b2'), store);
    const before = store.seen.length;
    store.twist = (_append, settle) => {
      setImmediate(() => settle({ status: 'refused', fault: new LogFull('no room') }));
      return true;
    };
    await second.engine.load(runIdOf('a'));
    for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect(store.seen.length - before).toBe(1);
    store.twist = null;
    const woken = new Promise((done) => second.engine.submit(runIdOf('a'), { type: 'WakeUp' }, NOBODY, done));
    expect(await woken).toMatchObject({ status: 'accepted' });
    expect(await typesOf(store, 'a')).toContain('AttemptOutcomeUnknown');
  });

  it('repeats an append of unknown outcome before it stops, and not for ever', async () => {
    for (const recovers of [true, false]) {
      const store = new TwistedStore();
      const { engine, begin } = await newEngine(new Recorder(), store);
      store.twist = (_append, settle) => {
        if (recovers && store.seen.length > 1) return false;
        setImmediate(() => settle({ status: 'unknown', cause: new Error('no answer') }));
        return true;
      };
      const reply = begin('a');
      await new Promise((resolve) => setTimeout(resolve, 20));
      await engine.stop();
      expect(await reply).toMatchObject({ status: recovers ? 'started' : 'unavailable' });
      expect(store.seen).toHaveLength(2);
    }
  });

  it('stops in time though an append is never answered, and says what is left', async () => {
    const store = new TwistedStore();
    const lines: [string, LogFields | undefined][] = [];
    const log: Log = { ...silentLog, warn: (message, fields) => void lines.push([message, fields]) };
    const { engine, begin } = await newEngine(new Recorder(), store, { log });
    await begin('a');
    store.twist = () => true;
    const cancelled = engine.cancel(runIdOf('a'), null, NOBODY);
    void begin('a');
    await new Promise((resolve) => setImmediate(resolve));
    const sinceMs = systemClock.monotonicMs();
    await engine.stop(50);
    expect(systemClock.monotonicMs() - sinceMs).toBeLessThan(1_000);
    const left = { runs: 1, appends: 1, commands: 1, named: [runIdOf('a')] };
    expect(lines).toEqual([['the engine stops before all is recorded', left]]);
    void cancelled;
  });

  it('stops in time though a run always finds more to do, which does nothing from then on', async () => {
    const store = new TwistedStore();
    const owner = new Recorder();
    const [{ retry, timeouts }] = POLICIES as [Policy];
    const often = { ...retry, maxAttempts: 1_000, schedule: [0] };
    const plan: Plan = { ...TWO_STEPS, policies: [{ retry: often, timeouts }] };
    const { engine, begin } = await newEngine(owner, store, { plan });
    // Neither a microtask, nor in no time: as a real store.
    store.twist = (append, settle) => {
      setTimeout(() => MemoryEventStore.prototype.append.call(store, append, settle), 1);
      return true;
    };
    owner.committed = ({ attempts }) => {
      for (const { step, attempt } of attempts) engine.submit(runIdOf('a'), failure(step, attempt), NOBODY, null);
    };
    await begin('a');
    const sinceMs = systemClock.monotonicMs();
    await engine.stop(50);
    expect(systemClock.monotonicMs() - sinceMs).toBeLessThan(500);
    await new Promise((resolve) => setTimeout(resolve, 20));
    const appends = store.seen.length;
    expect(appends).toBeLessThan(900);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(store.seen.length).toBe(appends);
  });
});
