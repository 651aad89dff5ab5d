import { afterEach, describe, expect, it } from '@jest/globals';
import { MemoryEventStore, runStream, type Append, type AppendOutcome } from '#event-store';
import { silentLog, type Log, type LogFields } from '#runtime';
import { TestClock } from '../../dispatch/src/testing/test-clock.js';
import type { StartReply } from './index.js';
import { newEngine, NOBODY, Recorder, runIdOf, stopEngines, typesOf } from './testing/engine-world.js';

/** A store that may be away. */
class AwayStore extends MemoryEventStore {
  /** Which appends it leaves without an outcome. */
  isAway: (append: Append) => boolean = () => false;
  /** When it was asked to append, and what. */
  readonly asked: { readonly atMs: number; readonly stream: string }[] = [];
  readonly cause = new Error('connection refused');
  underWay = 0;
  mostUnderWay = 0;

  constructor(readonly clock: TestClock) {
    super();
  }

  override append(append: Append, settle: (outcome: AppendOutcome) => void): void {
    this.asked.push({ atMs: this.clock.monotonicMs(), stream: append.stream });
    this.underWay += 1;
    this.mostUnderWay = Math.max(this.mostUnderWay, this.underWay);
    const done = (outcome: AppendOutcome): void => {
      this.underWay -= 1;
      settle(outcome);
    };
    if (this.isAway(append)) queueMicrotask(() => done({ status: 'unknown', cause: this.cause }));
    else super.append(append, done);
  }
}

type Line = { readonly level: string; readonly message: string; readonly fields: LogFields; readonly atMs: number };

const clocks: TestClock[] = [];
afterEach(async () => {
  // What waits is asked for once more at a stop.
  const stopped = stopEngines();
  for (const clock of clocks.splice(0)) await later(clock, 10_000);
  await stopped;
});

/** Time passes, and what it leads to comes to its end. */
const later = async (clock: TestClock, ms: number): Promise<void> => {
  for (let passed = 0; passed < ms; passed += 10) {
    clock.pass(10);
    for (let turn = 0; turn < 10; turn++) await Promise.resolve();
    if (passed % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
};

const world = async () => {
  const clock = new TestClock();
  clocks.push(clock);
  const store = new AwayStore(clock);
  const lines: Line[] = [];
  const said =
    (level: string) =>
    (message: string, fields: LogFields = {}): void =>
      void lines.push({ level, message, fields, atMs: clock.monotonicMs() });
  const log: Log = { ...silentLog, info: said('info'), warn: said('warn'), error: said('error') };
  const made = await newEngine(null, store, { clock, log, sharedLog: true });
  const replies = new Map<string, { readonly reply: StartReply; readonly atMs: number }>();
  const begin = (key: string): void =>
    void made.begin(key).then((reply) => replies.set(key, { reply, atMs: clock.monotonicMs() }));
  return { ...made, clock, store, lines, replies, begin, startMs: clock.monotonicMs() };
};

const pausesOf = (times: readonly number[]): number[] => times.slice(1).map((atMs, index) => atMs - times[index]!);

describe('an append of unknown outcome', () => {
  it('is repeated after pauses that grow from 100 ms to 5 s and are never quite the same', async () => {
    const pauses: number[][] = [];
    for (let process = 0; process < 2; process++) {
      const { clock, store, begin } = await world();
      store.isAway = () => true;
      begin('a');
      await later(clock, 30_000);
      pauses.push(pausesOf(store.asked.map(({ atMs }) => atMs)));
    }
    const [one, other] = pauses as [number[], number[]];
    expect(Math.min(...one, ...other)).toBeGreaterThanOrEqual(100);
    expect(one[0]).toBeLessThanOrEqual(210);
    expect(Math.max(...one, ...other)).toBeLessThanOrEqual(5_010);
    expect(Math.min(...one.slice(6), ...other.slice(6))).toBeGreaterThanOrEqual(2_500);
    expect(one).not.toEqual(other);
  });

  it('holds up nobody when it alone gets no answer', async () => {
    const { clock, store, begin, replies } = await world();
    store.isAway = ({ stream }) => stream === runStream(runIdOf('cursed'));
    begin('cursed');
    for (let index = 0; index < 100; index++) {
      begin(`${index}`);
      await later(clock, 100);
    }
    expect([...replies.values()].filter(({ reply }) => reply.status === 'started')).toHaveLength(100);
    const cursed = store.asked.filter(({ stream }) => stream === runStream(runIdOf('cursed')));
    expect(cursed.length).toBeLessThan(12);
  });

  it('is counted once however often it is repeated', async () => {
    const { clock, store, engine, begin } = await world();
    store.isAway = () => true;
    begin('a');
    begin('b');
    await later(clock, 4_000);
    store.isAway = () => false;
    await later(clock, 6_000);
    expect(store.asked.length).toBeGreaterThan(4);
    expect(engine.counts.appends).toMatchObject({ unknown: 2, appended: 2 });
  });
});

describe('a log that is away', () => {
  it('is asked by one append at a time, after growing pauses, however many wait', async () => {
    const { clock, store, begin } = await world();
    begin('before');
    await later(clock, 10);
    store.isAway = () => true;
    for (let index = 0; index < 200; index++) begin(`${index}`);
    await later(clock, 10);
    store.mostUnderWay = 0;
    const burst = store.asked.length;
    for (let index = 200; index < 3_000; index++) {
      begin(`${index}`);
      if (index % 10 === 0) await later(clock, 10);
    }
    await later(clock, 27_000);
    expect(burst).toBe(201);
    expect(store.mostUnderWay).toBe(1);
    expect(store.asked.length - burst).toBeLessThan(20);
  });

  it('is said once a second for all, with no stack, and once when it is over', async () => {
    const { clock, store, lines, begin, engine } = await world();
    store.isAway = () => true;
    const readPages = store.readPages.bind(store);
    store.readPages = () => {
      throw Object.assign(new Error('nothing was read'), { retryable: true });
    };
    for (let index = 0; index < 500; index++) {
      begin(`${index}`);
      engine.load(runIdOf(`read ${index}`)).catch(() => undefined);
      await later(clock, 20);
    }
    expect(lines.length).toBeGreaterThan(5);
    expect(lines.length).toBeLessThan(12);
    expect(Math.min(...pausesOf(lines.map(({ atMs }) => atMs)))).toBeGreaterThanOrEqual(1_000);
    for (const { level, fields } of lines) expect([level, 'err' in fields]).toEqual(['warn', false]);
    expect(lines[0]).toMatchObject({ message: 'the log gives no answer', fields: { reason: 'connection refused' } });
    expect(lines.some(({ fields }) => Number(fields['reads']) > 10)).toBe(true);
    store.isAway = () => false;
    store.readPages = readPages;
    lines.length = 0;
    await later(clock, 12_000);
    expect(lines.filter(({ level }) => level === 'info')).toHaveLength(1);
    expect(lines.at(-1)?.message).toBe('the log answers again');
  });

  it('is what whoever asks is told after 5 s, be it a start, a cancel or a read', async () => {
    const { clock, store, engine, begin, replies, startMs } = await world();
    begin('there');
    await later(clock, 10);
    store.isAway = () => true;
    const told: [string, number][] = [];
    const since = clock.monotonicMs();
    const tell = (what: string): void => void told.push([what, clock.monotonicMs() - since]);
    begin('a');
    begin('b');
    void engine.cancel(runIdOf('there'), null, NOBODY).then(({ status }) => tell(`cancel ${status}`));
    await later(clock, 100);
    // Both wait for a decision that is under way.
    void engine.load(runIdOf('a')).catch((fault: unknown) => tell(`load ${(fault as { code: string }).code}`));
    begin('a');
    await later(clock, 4_800);
    expect([replies.size, told]).toEqual([1, []]);
    await later(clock, 600);
    expect(told.map(([what]) => what)).toEqual(['cancel unavailable', 'load log-silent']);
    for (const key of ['a', 'b']) {
      expect(replies.get(key)?.reply).toMatchObject({ status: 'unavailable', cause: { code: 'log-silent' } });
      expect(replies.get(key)!.atMs - startMs).toBeLessThan(5_600);
    }
  });

  it('has settled, once it is back, whatever it may have taken, though whoever asked was told already', async () => {
    const { clock, store, begin, replies } = await world();
    store.isAway = () => true;
    begin('a');
    begin('b');
    await later(clock, 8_000);
    expect([...replies.values()].map(({ reply }) => reply.status)).toEqual(['unavailable', 'unavailable']);
    store.isAway = () => false;
    await later(clock, 6_000);
    for (const key of ['a', 'b']) expect(await typesOf(store, key)).toEqual(['RunStarted']);
    begin('a');
    await later(clock, 10);
    expect(replies.get('a')?.reply.status).toBe('replayed');
  });

  it('is not asked for what it was never sent once all who wanted it were told', async () => {
    const { clock, store, engine, begin, replies } = await world();
    store.isAway = () => true;
    begin('a');
    begin('b');
    await later(clock, 10);
    for (let index = 0; index < 100; index++) begin(`${index}`);
    await later(clock, 6_000);
    expect([...replies.values()].filter(({ reply }) => reply.status === 'unavailable')).toHaveLength(102);
    // Those that it was sent: two before it was known to be away, and one at a time since.
    const sent = new Set(store.asked.map(({ stream }) => stream)).size;
    expect(sent).toBeLessThan(10);
    expect(engine.size).toBe(sent);
    store.isAway = () => false;
    await later(clock, 10_000);
    expect(await typesOf(store, '99')).toEqual([]);
    begin('99');
    await later(clock, 10);
    expect(replies.get('99')?.reply.status).toBe('started');
  });

  it('keeps what an owner has to record until it is back', async () => {
    const { clock, store, engine, begin } = await world();
    engine.ownedBy(new Recorder());
    begin('a');
    await later(clock, 10);
    store.isAway = () => true;
    begin('b');
    begin('c');
    await later(clock, 10);
    const done: string[] = [];
    const command = { type: 'CompleteAttempt', step: 's0', attempt: 1, status: 200, output: '1' } as never;
    engine.submit(runIdOf('a'), command, NOBODY, ({ status }) => void done.push(status));
    await later(clock, 60_000);
    expect(done).toEqual([]);
    store.isAway = () => false;
    await later(clock, 6_000);
    expect(done).toEqual(['accepted']);
    expect(await typesOf(store, 'a')).toContain('AttemptSucceeded');
  });

  it('is not met by all that has waited at once when it is back', async () => {
    const { clock, store, begin, replies } = await world();
    store.isAway = () => true;
    begin('a');
    begin('b');
    await later(clock, 3_000);
    for (let index = 0; index < 400; index++) begin(`${index}`);
    store.isAway = () => false;
    store.mostUnderWay = 0;
    const growth: number[] = [];
    while (replies.size < 402) {
      const before = replies.size;
      clock.pass(10);
      await Promise.resolve();
      if (replies.size > before) growth.push(replies.size - before);
    }
    expect(growth.length).toBeGreaterThan(5);
    for (const [index, count] of growth.entries())
      if (index > 0) expect(count).toBeLessThanOrEqual(2 * growth[index - 1]! + 2);
  });
});
