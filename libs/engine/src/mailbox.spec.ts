import { afterAll, afterEach, describe, expect, it } from '@jest/globals';
import type { JsonText, RunCommand } from '#domain';
import { LogFull, LOG_START, MemoryEventStore, runStream, type Commit } from '#event-store';
import { systemClock } from '#runtime';
import { parallel, planOf, step } from '../../domain/src/testing/tree-plans.js';
import type { Owner } from './index.js';
import type { EngineParts } from './engine-parts.js';
import { Mailbox } from './mailbox.js';
import { failure, newEngine, NOBODY, Recorder, runIdOf, start, stopEngines } from './testing/engine-world.js';
import { TwistedStore, typesOf } from './testing/engine-world.js';
import { eventually } from '../../../test/support/pause.js';
import { watchTransitions } from './testing/seen-transitions.js';

// Which transitions of the table the tests of this file make: all of them, or the last test says which not.
const transitions = watchTransitions();

afterEach(stopEngines);
afterAll(() => void process.stdout.write(`transitions of a mailbox\n${transitions.shown()}\n`));

const X = runIdOf('x');
const BRANCHES = planOf(parallel({ name: 'p' }, step('a'), step('b'), step('c')));
const WAKE_UP: RunCommand = { type: 'WakeUp' };
const complete = (key: string): RunCommand => ({
  type: 'CompleteAttempt',
  step: key,
  attempt: 1,
  status: 200,
  output: '1' as JsonText,
});

/** A log whose reads may be held. */
class SlowStore extends TwistedStore {
  hold = false;
  readonly held: (() => void)[] = [];
  override async *readPages(...args: Parameters<TwistedStore['readPages']>) {
    if (this.hold) await new Promise<void>((resolve) => this.held.push(resolve));
    yield* super.readPages(...args);
  }
}

/** An API and an owner that share a log, and a run that the API has started. */
const sharedRun = async ({ plan = BRANCHES, owner = new Recorder() as Owner } = {}) => {
  const store = new SlowStore();
  const api = await newEngine(null, store, { sharedLog: true, plan });
  const { engine } = await newEngine(owner, store, { sharedLog: true, plan });
  await api.begin('x');
  const commits = async (): Promise<readonly Commit[]> =>
    (await store.readAll(LOG_START, { limit: 100 })).filter(({ stream }) => stream === runStream(X));
  const observe = (some: readonly Commit[]): void => {
    for (const commit of some) engine.shared!.observe(X, commit);
  };
  const submit = (command: RunCommand) => new Promise((done) => engine.submit(X, command, NOBODY, done));
  const releaseRuns = (): void => engine.shared!.releaseRuns(() => true);
  return { store, api, engine, commits, observe, submit, releaseRuns };
};

const until = async (holds: () => boolean): Promise<void> => {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 1));
};

const unavailable = { status: 'unavailable', cause: expect.objectContaining({ message: expect.any(String) }) };

describe('a mailbox', () => {
  it('refuses what the table does not have, by name', () => {
    const mailbox = new Mailbox(X, {} as EngineParts);
    expect(() => mailbox.show()).toThrow(`the mailbox of ${X} is unread: no "show" now`);
    mailbox.presumeNew(null);
    expect(() => mailbox.presumeNew(null)).toThrow('is resting: no "presumed new" now');
  });

  it('decides at rest, shows what is committed, and leaves memory at the end', async () => {
    const { engine, store, begin } = await newEngine(new Recorder(), new TwistedStore(), { plan: BRANCHES });
    await begin('x');
    await engine.load(X);
    // A decision of nothing.
    await new Promise((done) => engine.submit(X, WAKE_UP, NOBODY, done));
    expect(await engine.cancel(X, null, NOBODY)).toMatchObject({ status: 'cancelled' });
    await new Promise((resolve) => setImmediate(resolve));
    expect([engine.size, (await typesOf(store, 'x')).at(-1)]).toEqual([0, 'RunCancelled']);
  });

  it('shows a run whose answers wait for others, and decides them when nobody else comes', async () => {
    const { engine, store, begin } = await newEngine(new Recorder(), new TwistedStore(), { plan: BRANCHES });
    await begin('x');
    const done = new Promise((resolve) => engine.submit(X, complete('p.a'), NOBODY, resolve));
    expect((await engine.load(X))?.run.steps.get('p.a')?.status).toBe('running');
    expect(await done).toMatchObject({ status: 'accepted' });
    expect((await typesOf(store, 'x')).slice(-2)).toEqual(['AttemptSucceeded', 'StepCompleted']);
  });

  it('folds what others have appended, at rest and while answers wait', async () => {
    const { api, engine, commits, observe, store } = await sharedRun();
    observe(await commits());
    await until(() => store.seen.length === 2 && !engine.shared!.underWay().includes(X));
    await api.begin('x');
    await eventually('the note of a duplicate', async () => ((await commits()).length === 3 ? true : null));
    const noted = await commits();
    engine.submit(X, complete('p.a'), NOBODY, null);
    observe(noted);
    await eventually('the answer', async () => ((await commits()).length === 4 ? true : null));
    expect((await typesOf(store, 'x')).slice(-3)).toEqual(['DuplicateStartsSeen', 'AttemptSucceeded', 'StepCompleted']);
    await until(() => !engine.shared!.underWay().includes(X));
    await api.engine.cancel(X, null, NOBODY);
    observe(await commits());
    expect(engine.size).toBe(0);
  });

  it('reads the stream again for a reader though answers wait', async () => {
    const { engine, commits, observe, store } = await sharedRun();
    observe(await commits());
    await until(() => store.seen.length === 2 && !engine.shared!.underWay().includes(X));
    const done = new Promise((resolve) => engine.submit(X, complete('p.a'), NOBODY, resolve));
    expect((await engine.load(X))?.revision).toBe(7);
    expect(await done).toMatchObject({ status: 'accepted' });
  });

  it('decides again after a conflict, and pauses before it does so once more', async () => {
    const { api, submit, store } = await sharedRun();
    await submit(WAKE_UP);
    let conflicts = 0;
    store.twist = (append, settle) => {
      if (append.events[0]?.type !== 'AttemptFailed' || conflicts === 3) return false;
      conflicts += 1;
      MemoryEventStore.prototype.append.call(
        store,
        { ...append, events: [{ type: 'DuplicateStartsSeen', v: 1, data: '{"count":1,"refused":0}' }] },
        () => settle({ status: 'conflict', actual: append.expected }),
      );
      return true;
    };
    const sinceMs = systemClock.monotonicMs();
    expect(await submit(failure('p.a', 1))).toMatchObject({ status: 'accepted', changed: true });
    // The first at once, then half of 20 and of 40 ms at least.
    expect(systemClock.monotonicMs() - sinceMs).toBeGreaterThanOrEqual(28);
    expect((await api.engine.load(X))?.run.duplicates.count).toBe(3);
  });

  it('is read again when the log had no room for what was decided', async () => {
    const { engine, begin, store } = await newEngine(new Recorder());
    await begin('x');
    (store as TwistedStore).twist = (_append, settle) => {
      queueMicrotask(() => settle({ status: 'refused', fault: new LogFull('no room') }));
      return true;
    };
    expect(await engine.cancel(X, null, NOBODY)).toMatchObject(unavailable);
    expect((await engine.load(X))?.run.status).toBe('running');
  });
});

describe('a mailbox that is closed', () => {
  it('before anything is known of its run', async () => {
    const { engine } = await sharedRun();
    const stopWaiting = engine.whenEnded(X, () => undefined);
    stopWaiting();
    expect(engine.size).toBe(0);
  });

  it.each([
    ['while its run is read', async ({ store }: Awaited<ReturnType<typeof sharedRun>>) => void (store.hold = true)],
    [
      'while its decision is on its way, of which its sender is told nothing else than what became of it',
      async ({ store, submit }: Awaited<ReturnType<typeof sharedRun>>) => {
        await submit(WAKE_UP);
        store.twist = (append, settle) => {
          setTimeout(() => settle({ status: 'conflict', actual: append.expected }), 20);
          return true;
        };
      },
    ],
  ])('%s', async (_when, prepare) => {
    const made = await sharedRun();
    await prepare(made);
    const done = made.submit(failure('p.a', 1));
    await until(() => made.engine.shared!.underWay().includes(X));
    made.releaseRuns();
    for (const goOn of made.store.held) goOn();
    expect(await done).toMatchObject(unavailable);
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(made.engine.size).toBe(0);
  });

  it('at rest, while it is shown, while answers wait, and by whom it has just told something', async () => {
    const made = await sharedRun();
    const { engine, store, submit, releaseRuns } = made;
    await submit(WAKE_UP);
    await until(() => !engine.shared!.underWay().includes(X));
    releaseRuns();
    expect(engine.size).toBe(0);
    await engine.load(X);
    releaseRuns();
    await engine.load(X);
    await until(() => !engine.shared!.underWay().includes(X));
    const waits = submit(complete('p.a'));
    releaseRuns();
    expect(await waits).toMatchObject(unavailable);
    const before = store.seen.length;
    engine.submit(X, failure('p.b', 1), NOBODY, releaseRuns);
    const second = submit(failure('p.c', 1));
    expect(await second).toMatchObject({ status: 'accepted' });
    expect([engine.size, store.seen.length - before]).toEqual([0, 1]);
  });

  it('while it pauses', async () => {
    const { releaseRuns, submit, store, engine } = await sharedRun();
    await submit(WAKE_UP);
    let conflicts = 0;
    store.twist = (append, settle) => {
      conflicts += 1;
      queueMicrotask(() => {
        settle({ status: 'conflict', actual: append.expected });
        if (conflicts === 2) releaseRuns();
      });
      return true;
    };
    expect(await submit(failure('p.a', 1))).toMatchObject(unavailable);
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect([engine.size, conflicts]).toEqual([0, 2]);
  });

  it('by a decision that cannot be made', async () => {
    const { engine } = await newEngine(new Recorder());
    const broken = { ...BRANCHES, nodes: [] };
    const reply = new Promise((settle) => engine.start(X, start('x'), broken, NOBODY, settle));
    expect(await reply).toMatchObject(unavailable);
  });
});

it('makes every transition of the table in these tests', () => {
  expect(transitions.missing()).toEqual([]);
});
