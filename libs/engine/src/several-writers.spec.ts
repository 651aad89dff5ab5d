import { afterEach, describe, expect, it } from '@jest/globals';
import { DEFAULT_RUN_LIMITS, type JsonText, type RunCommand } from '#domain';
import { LOG_START, MemoryEventStore, runStream } from '#event-store';
import type { Append, RecordedEvent, SubscriptionMessage } from '#event-store';
import { silentLog, systemClock, systemEntropy, type Clock } from '#runtime';
import { RunEngine, type LoadedRun, type Owner, type RunNews, type StartReply } from './index.js';
import { NOBODY, Recorder, runIdOf, start, TWO_STEPS, TwistedStore, typesOf } from './testing/engine-world.js';

const X = runIdOf('x');
const complete = (step: string): RunCommand => ({
  type: 'CompleteAttempt',
  step,
  attempt: 1,
  status: 200,
  output: '1' as JsonText,
});

const engines: RunEngine[] = [];
afterEach(async () => {
  for (const engine of engines.splice(0)) await engine.stop();
});

/** The log that the processes of a test share; counts reads, and may hold them or what subscriptions give. */
class SharedStore extends TwistedStore {
  readonly reads: (number | undefined)[] = [];
  readonly heldReads: (() => void)[] = [];
  hold = false;
  open = 0;
  /** Loses what it should deliver, and says after it that it is level again. */
  lossy = false;
  /** Ends the subscription at the next message. */
  breaks = 0;
  failing = false;

  override async *readPages(...[stream, options]: Parameters<TwistedStore['readPages']>) {
    this.reads.push(options?.from);
    if (this.failing) throw Object.assign(new Error('no answer'), { retryable: true });
    const pages: (readonly RecordedEvent[])[] = [];
    for await (const page of super.readPages(stream, options)) pages.push(page);
    if (this.hold) await new Promise<void>((resolve) => this.heldReads.push(resolve));
    yield* pages;
  }

  override async *subscribe(...args: Parameters<TwistedStore['subscribe']>): AsyncGenerator<SubscriptionMessage> {
    this.open += 1;
    try {
      for await (const message of super.subscribe(...args)) {
        if (this.breaks > 0) {
          this.breaks -= 1;
          throw new Error('the connection broke');
        }
        const lost = this.lossy && message.type === 'commits';
        yield lost ? { type: 'caught-up', position: message.position } : message;
      }
    } finally {
      this.open -= 1;
    }
  }
}

const processOn = (store: SharedStore, owner: Owner | null = null, clock: Clock = systemClock) => {
  const plans = { cachedPlan: () => TWO_STEPS, plan: () => Promise.resolve(TWO_STEPS) };
  const options = { limits: DEFAULT_RUN_LIMITS, sharedLog: true };
  const engine = new RunEngine(store, plans, clock, systemEntropy, silentLog, options);
  if (owner !== null) engine.ownedBy(owner);
  engines.push(engine);
  const begin = (key: string) =>
    new Promise<StartReply>((settle) => engine.start(runIdOf(key), start(key), TWO_STEPS, NOBODY, settle));
  const cancel = (key: string) => engine.cancel(runIdOf(key), null, NOBODY);
  const status = async (key: string) => (await engine.load(runIdOf(key)))?.run.status;
  const ended = (key: string) =>
    new Promise<LoadedRun | null>((resolve) => engine.whenEnded(runIdOf(key), resolve)).then((run) => run?.run.status);
  const submit = (command: RunCommand, actor: string | null = null) =>
    new Promise((done) => engine.submit(X, command, { actor, traceparent: null }, done));
  return { engine, begin, cancel, status, ended, submit };
};

const turns = async (count = 20): Promise<void> => {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
};

const until = async (holds: () => boolean): Promise<void> => {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 2));
};

describe('an engine on a log that others append to', () => {
  it('appends what it is asked for, without a read, and leaves all that follows to the owner', async () => {
    const store = new SharedStore();
    const api = processOn(store);
    await api.begin('x');
    expect(store.reads).toEqual([]);
    await api.submit({ type: 'NoteDuplicateStarts', count: 1, refused: 0, last: true });
    expect(await typesOf(store, 'x')).toEqual(['RunStarted', 'DuplicateStartsSeen']);
    await processOn(store, new Recorder()).submit({ type: 'WakeUp' }, 'd');
    expect((await typesOf(store, 'x')).slice(2)).toEqual(['StepEntered', 'AttemptStarted']);
  });

  it('shows what others have done to a run that it keeps, and reads no more than the tail for it', async () => {
    const store = new SharedStore();
    const [a, b] = [processOn(store), processOn(store)];
    await a.begin('x');
    expect(await a.status('x')).toBe('running');
    expect(await b.cancel('x')).toMatchObject({ status: 'cancelled' });
    store.reads.length = 0;
    expect(await a.status('x')).toBe('cancelled');
    expect(store.reads).toEqual([1]);
  });

  it('answers nobody by a read that began before the question', async () => {
    const store = new SharedStore();
    const [a, b] = [processOn(store), processOn(store)];
    await a.begin('x');
    store.hold = true;
    const early = a.status('x');
    await until(() => store.heldReads.length === 1);
    store.hold = false;
    await b.cancel('x');
    const late = a.status('x');
    const lateCancel = a.cancel('x');
    store.heldReads[0]!();
    expect(await early).toBe('running');
    expect(await late).toBe('cancelled');
    expect(await lateCancel).toMatchObject({ status: 'cancelled' });
    expect((await typesOf(store, 'x')).filter((type) => type === 'RunCancelled')).toHaveLength(1);
  });

  it('refuses a cancel by what the log says', async () => {
    const store = new SharedStore();
    const [a, b] = [processOn(store), processOn(store, new Recorder())];
    await b.begin('x');
    expect(await a.status('x')).toBe('running');
    await b.submit(complete('s0'));
    await b.submit(complete('s1'));
    expect(await a.cancel('x')).toMatchObject({ status: 'rejected', rejection: { code: 'run-ended' } });
    expect((await typesOf(store, 'x')).at(-1)).toBe('RunCompleted');
  });

  it('stops only when its reads are done', async () => {
    const store = new SharedStore();
    const { engine, begin, status } = processOn(store);
    await begin('x');
    store.hold = true;
    const asked = status('x');
    await until(() => store.heldReads.length === 1);
    let stopped = false;
    const stop = engine.stop().then(() => (stopped = true));
    await turns();
    expect(stopped).toBe(false);
    store.heldReads[0]!();
    await stop;
    expect(await asked).toBe('running');
  });
});

describe('waiting for an end that comes from elsewhere', () => {
  it('is told by the log, without a read when the run was started here after the log was followed', async () => {
    const store = new SharedStore();
    const [a, b, owner] = [processOn(store), processOn(store), processOn(store, new Recorder())];
    await a.begin('first');
    const first = a.ended('first');
    await until(() => store.open === 1);
    await a.begin('x');
    await turns();
    store.reads.length = 0;
    const atA = a.ended('x');
    await turns();
    expect(store.reads).toEqual([]);
    const atB = b.ended('x');
    await until(() => store.open === 2);
    await owner.submit({ type: 'WakeUp' });
    await owner.submit(complete('s0'));
    await owner.submit(complete('s1'));
    expect(await Promise.all([atA, atB])).toEqual(['completed', 'completed']);
    await owner.cancel('first');
    expect(await first).toBe('cancelled');
    // One of the waiter that knew nothing of it, one of the owner; what the log brought was folded.
    expect(store.reads.filter((from) => from === undefined)).toHaveLength(3);
  });

  it('is told at once of an end that came before anybody followed', async () => {
    const store = new SharedStore();
    const [a, b] = [processOn(store), processOn(store)];
    await a.begin('x');
    await b.cancel('x');
    expect(await a.ended('x')).toBe('cancelled');
    expect(await a.ended('nobody')).toBeUndefined();
  });

  it('does not trust what it remembers from before it followed', async () => {
    const store = new SharedStore();
    const [a, b] = [processOn(store), processOn(store)];
    await a.begin('x');
    await b.cancel('x');
    await a.begin('other');
    const other = a.ended('other');
    await until(() => store.open === 1);
    expect(await a.ended('x')).toBe('cancelled');
    await b.cancel('other');
    expect(await other).toBe('cancelled');
  });

  it('outlives a subscription that breaks', async () => {
    const store = new SharedStore();
    const [a, b] = [processOn(store), processOn(store)];
    await a.begin('x');
    const waited = a.ended('x');
    await until(() => store.open === 1);
    await turns();
    store.breaks = 1;
    await b.cancel('x');
    expect(await waited).toBe('cancelled');
  });

  it('outlives one that lost something and says that it is level again', async () => {
    const store = new SharedStore();
    const [a, b] = [processOn(store), processOn(store)];
    await a.begin('x');
    const waited = a.ended('x');
    await until(() => store.open === 1);
    await turns();
    store.lossy = true;
    await b.cancel('x');
    expect(await waited).toBe('cancelled');
  });

  it('outlives a read that fails, of somebody else as of the end itself', async () => {
    const store = new SharedStore();
    const [a, owner] = [processOn(store), processOn(store, new Recorder())];
    await a.begin('x');
    const ended = a.ended('x');
    await until(() => store.open === 1);
    await owner.submit({ type: 'WakeUp' });
    await turns();
    store.failing = true;
    await expect(a.status('x')).rejects.toThrow('no answer');
    await owner.cancel('x');
    await turns();
    store.failing = false;
    expect(await ended).toBe('cancelled');
  });

  it('follows the log only while somebody waits, and a little longer', async () => {
    const store = new SharedStore();
    const lingering: (() => void)[] = [];
    const clock: Clock = {
      ...systemClock,
      after: (ms, call) => {
        if (ms < 10_000) return systemClock.after(ms, call);
        lingering.push(call);
        return () => void lingering.splice(lingering.indexOf(call), 1);
      },
    };
    const { engine, begin } = processOn(store, null, clock);
    await begin('x');
    expect(store.open).toBe(0);
    const stopWaiting = engine.whenEnded(X, () => undefined);
    await until(() => store.open === 1);
    stopWaiting();
    expect(lingering).toHaveLength(1);
    const again = engine.whenEnded(X, () => undefined);
    expect(lingering).toHaveLength(0);
    again();
    await turns();
    expect(store.open).toBe(1);
    lingering[0]!();
    await until(() => store.open === 0);
  });
});

describe('an owner on a log that others append to', () => {
  const news: RunNews[] = [];
  class Listener extends Recorder {
    override observed(...[met]: Parameters<Owner['observed']>): void {
      news.push(met);
    }
  }
  const commitsOf = (store: SharedStore) =>
    store.readAll(LOG_START, { limit: 100 }).then((all) => all.filter(({ stream }) => stream === runStream(X)));

  it('folds a commit that follows what it knows, and reads the tail where one is missing', async () => {
    const store = new SharedStore();
    const [api, owner] = [processOn(store), processOn(store, new Listener())];
    await api.begin('x');
    const [begun] = await commitsOf(store);
    store.reads.length = 0;
    owner.engine.shared!.observe(X, begun!);
    expect(news.splice(0)).toMatchObject([{ runId: X, fresh: true }]);
    await until(() => store.seen.length === 2);
    expect(store.reads).toEqual([]);
    await turns();
    // Its own commit, as the log brings it again.
    owner.engine.shared!.observe(X, (await commitsOf(store))[1]!);
    expect(news.splice(0)).toEqual([]);
    await api.begin('x');
    await until(() => store.seen.length === 4);
    await api.cancel('x');
    store.reads.length = 0;
    const commits = await commitsOf(store);
    owner.engine.shared!.observe(X, commits[3]!);
    await until(() => news.length > 0);
    expect(news.splice(0).at(-1)?.run.status).toBe('cancelled');
    expect(store.reads).toEqual([3]);
  });

  it('sees to what a run is owed after it has shown it to a reader', async () => {
    const store = new SharedStore();
    const [api, owner] = [processOn(store), processOn(store, new Recorder())];
    await api.begin('x');
    expect(await owner.status('x')).toBe('running');
    await until(() => store.seen.length === 2);
    expect((await typesOf(store, 'x')).at(-1)).toBe('AttemptStarted');
  });

  it('looks again when a commit was met while its own append was under way', async () => {
    const store = new SharedStore();
    const [api, owner] = [processOn(store), processOn(store, new Listener())];
    await api.begin('x');
    const held: (() => void)[] = [];
    store.twist = (append: Append, settle) => {
      if (append.events.at(-1)?.type !== 'AttemptStarted') return false;
      MemoryEventStore.prototype.append.call(store, append, (outcome) => held.push(() => settle(outcome)));
      return true;
    };
    owner.engine.shared!.observe(X, (await commitsOf(store))[0]!);
    await until(() => held.length === 1);
    await api.cancel('x');
    news.length = 0;
    owner.engine.shared!.observe(X, (await commitsOf(store))[2]!);
    await turns();
    expect(news).toEqual([]);
    held[0]!();
    await until(() => news.length > 0);
    expect(news.splice(0).at(-1)?.run.status).toBe('cancelled');
  });

  it('records no attempt of another as lost while it is not sure that its maker is gone', async () => {
    const store = new SharedStore();
    await processOn(store, new Recorder('first')).begin('x');
    const owner = new Recorder('second');
    let sure = false;
    owner.inherits = () => sure;
    owner.grant = () => null as never;
    const second = processOn(store, owner);
    await second.submit({ type: 'WakeUp' });
    expect(await typesOf(store, 'x')).toEqual(['RunStarted', 'StepEntered', 'AttemptStarted']);
    sure = true;
    await new Promise((done) => second.engine.shared!.wakeAfterRead(X, done));
    expect((await typesOf(store, 'x')).at(-1)).toBe('AttemptOutcomeUnknown');
  });

  it('spares the owner what it appends itself, and those who wait what is for the owner alone', async () => {
    const store = new SharedStore();
    const owner = new Recorder();
    const [api, other] = [processOn(store), processOn(store, owner)];
    await api.begin('x');
    await other.submit({ type: 'WakeUp' }, 'd');
    owner.bootOf = () => null; // about to lose the run
    await other.submit(complete('s0'));
    await api.status('x');
    await api.cancel('x');
    expect(store.seen.map(({ audience, events }) => [events.at(-1)!.type, audience])).toEqual([
      ['RunStarted', 'owner'],
      ['AttemptStarted', 'waiting'],
      ['AttemptStarted', undefined],
      ['RunCancelled', undefined],
    ]);
  });

  it('appends nothing for a run that it was made to let go of, and tells who asked', async () => {
    const store = new SharedStore();
    const [api, owner] = [processOn(store), processOn(store, new Recorder())];
    await api.begin('x');
    store.hold = true;
    const woken = owner.submit({ type: 'WakeUp' });
    await until(() => store.heldReads.length === 1);
    owner.engine.shared!.releaseRuns(() => true);
    expect(await woken).toMatchObject({ status: 'unavailable' });
    const wokenAfterRead = new Promise((done) => owner.engine.shared!.wakeAfterRead(X, done));
    await until(() => store.heldReads.length === 2);
    owner.engine.shared!.releaseRuns(() => true);
    store.hold = false;
    for (const goOn of store.heldReads) goOn();
    expect(await wokenAfterRead).toMatchObject({ status: 'unavailable' });
    await turns();
    expect(await typesOf(store, 'x')).toEqual(['RunStarted']);
    expect(owner.engine.size).toBe(0);
  });
});
