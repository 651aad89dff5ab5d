import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { silentLog, systemClock, type Log } from '#runtime';
import { EventStoreDbDouble } from '../../../../test/support/eventstoredb-double/eventstoredb-double.js';
import { pause } from '../../../../test/support/pause.js';
import { TcpProxy } from '../../../../test/support/tcp-proxy.js';
import { tempFolder, type TempFolder } from '../../../../test/support/temp-folder.js';
import {
  appendOf,
  follow,
  known,
  newScope,
  noted,
  envelope,
  revision,
  settled,
  stream,
  textsIn,
  textsOf,
} from '../../testing/contract-cases.js';
import { LOG_START, NO_STREAM, type AppendOutcome, type Position, type SubscriptionMessage } from '../event-store.js';
import { EventStoreDbEventStore, type EventStoreDbOptions } from './eventstoredb-event-store.js';

const APPEND_TIMEOUT_MS = 400;
const RACING_TIMEOUT_MS = 50;

let folder: TempFolder;
let double: EventStoreDbDouble;
let store: EventStoreDbEventStore;
let warned: string[];
let opened: EventStoreDbEventStore[];
const log: Log = { ...silentLog, warn: (message, fields) => void warned.push(`${message} ${JSON.stringify(fields)}`) };

const newStore = (options: Partial<EventStoreDbOptions> = {}): EventStoreDbEventStore => {
  const made = new EventStoreDbEventStore(systemClock, log, {
    url: double.url,
    appendTimeoutMs: APPEND_TIMEOUT_MS,
    ...options,
  });
  opened.push(made);
  return made;
};

beforeEach(async () => {
  newScope();
  warned = [];
  opened = [];
  folder = await tempFolder('double');
  double = new EventStoreDbDouble({ folder: folder.path, notReadyMs: 0, racingTimeoutMs: RACING_TIMEOUT_MS });
  await double.start();
  store = newStore();
  await store.start();
});
afterEach(async () => {
  await Promise.all(opened.map((each) => each.stop()));
  await double.stop();
  await folder.remove();
});

/** As the engine does: the very same append until its outcome is known. */
const surely = async (append: Parameters<typeof settled>[1]): Promise<AppendOutcome> => {
  for (;;) {
    const outcome = await settled(store, append);
    if (outcome.status !== 'unknown') return outcome;
    await pause(20);
  }
};

/** The same log, served by another version. */
const restartAs = async (version: string): Promise<void> => {
  await store.stop();
  await double.stop();
  double = new EventStoreDbDouble({ folder: folder.path, notReadyMs: 0, version });
  await double.start();
  store = newStore();
  await store.start();
};

const gate = (): { readonly open: () => void; readonly wait: () => Promise<void> } => {
  let open = (): void => {};
  const opened = new Promise<void>((resolve) => (open = resolve));
  return { open, wait: () => opened };
};

describe('an append to EventStoreDB', () => {
  it('is unknown when its answer is lost, and its repeat gives the first result', async () => {
    double.faults.nextAppends({ type: 'lose-answer' });
    const append = appendOf('a', NO_STREAM, 'one', 'two');
    expect(await settled(store, append)).toMatchObject({ status: 'unknown', cause: { code: 'append-timed-out' } });
    expect(await settled(store, append)).toMatchObject({ status: 'appended', revision: 1 });
    expect(await textsIn(store, 'a')).toEqual(['one', 'two']);
    expect(textsOf(await store.readAll(LOG_START, { limit: 10 }))).toEqual(['one', 'two']);
  });

  it('is unknown when it never arrives, and its repeat is written', async () => {
    double.faults.nextAppends({ type: 'lose-request' });
    const append = appendOf('a', NO_STREAM, 'one');
    expect(await settled(store, append)).toMatchObject({ status: 'unknown' });
    expect(await settled(store, append)).toMatchObject({ status: 'appended', revision: 0 });
    expect(await textsIn(store, 'a')).toEqual(['one']);
  });

  it('has its repeat answered while the original is stuck, and bears the late answer', async () => {
    const answer = gate();
    double.faults.nextAppends({ type: 'answer-late', wait: answer.wait });
    const append = appendOf('a', NO_STREAM, 'one');
    const other = appendOf('b', NO_STREAM, 'other');
    expect(await settled(store, append)).toMatchObject({ status: 'unknown' });
    const repeated = await settled(store, append);
    answer.open();
    expect(await settled(store, other)).toMatchObject({ status: 'appended' });
    expect(await settled(store, append)).toEqual(repeated);
    expect(repeated).toMatchObject({ status: 'appended', revision: 0 });
  });

  it('that left no answer costs those beside it nothing', async () => {
    const written = gate();
    double.faults.nextAppends({ type: 'lose-answer' }, { type: 'delay', wait: written.wait });
    let slow: AppendOutcome | null = null;
    const lost = settled(store, appendOf('a', NO_STREAM, 'lost'));
    await pause(APPEND_TIMEOUT_MS / 2);
    const slowly = settled(store, appendOf('b', NO_STREAM, 'slow')).then((outcome) => (slow = outcome));
    expect(await lost).toMatchObject({ status: 'unknown' });
    expect(await settled(store, appendOf('c', NO_STREAM, 'new call'))).toMatchObject({ status: 'appended' });
    expect(slow).toBe(null);
    written.open();
    await slowly;
    expect(slow).toMatchObject({ status: 'appended', revision: 0 });
  });

  it('is unknown while the server is not ready, and goes through then', async () => {
    double.faults.nextAppends({ type: 'refuse' });
    const append = appendOf('a', NO_STREAM, 'one');
    const outcome = await settled(store, append);
    expect(outcome).toMatchObject({ status: 'unknown', cause: { message: 'Server Is Not Ready' } });
    expect(await settled(store, append)).toMatchObject({ status: 'appended' });
  });

  it('is unknown when it races its own original, and known after', async () => {
    const flush = gate();
    double.faults.holdFlush(flush.wait);
    const append = appendOf('a', NO_STREAM, 'one');
    const original = settled(store, append);
    expect(await settled(store, append)).toMatchObject({ status: 'unknown', cause: { code: 'append-unanswered' } });
    flush.open();
    expect(await original).toMatchObject({ status: 'appended', revision: 0 });
    expect(await known(store, append)).toEqual(await original);
  });

  it('is whole or absent after the server is killed in the middle of many, each once', async () => {
    const appends = Array.from({ length: 300 }, (_, index) =>
      appendOf(`s-${index}`, NO_STREAM, `${index}`, `${index}b`),
    );
    const outcomes = appends.map(surely);
    await Promise.race(outcomes);
    await double.restart();
    double.cut();
    await Promise.all(outcomes);
    expect((await Promise.all(outcomes)).every(({ status }) => status === 'appended')).toBe(true);
    const texts = textsOf(await store.readAll(LOG_START, { limit: 10_000 }));
    expect(texts.toSorted()).toEqual(appends.flatMap((_, index) => [`${index}`, `${index}b`]).toSorted());
  });

  it('is unknown while the server is frozen, and is there once when it goes on', async () => {
    double.faults.freeze();
    const append = appendOf('a', NO_STREAM, 'one');
    expect(await settled(store, append)).toMatchObject({ status: 'unknown' });
    expect(await settled(store, append)).toMatchObject({ status: 'unknown' });
    double.faults.thaw();
    expect(await surely(append)).toMatchObject({ status: 'appended', revision: 0 });
    expect(await textsIn(store, 'a')).toEqual(['one']);
  });

  it('goes through on another connection when the one of before carries nothing any more', async () => {
    const proxy = new TcpProxy(double.port);
    await proxy.start();
    // So long that only our own timer notices.
    const keepAlive = 'keepAliveInterval=60000&keepAliveTimeout=60000';
    const behind = newStore({ url: `esdb://127.0.0.1:${proxy.port}?tls=false&${keepAlive}` });
    await behind.start();
    const append = appendOf('a', NO_STREAM, 'one');
    await settled(behind, append);
    proxy.stall();
    const next = appendOf('a', 0, 'two');
    expect(await settled(behind, next)).toMatchObject({ status: 'unknown' });
    expect(await settled(behind, next)).toMatchObject({ status: 'appended', revision: 1 });
    expect(await textsIn(behind, 'a')).toEqual(['one', 'two']);
    await behind.stop();
    await proxy.stop();
  });

  it('gets its outcome before the store has stopped', async () => {
    double.faults.nextAppends({ type: 'lose-answer' });
    let outcome: AppendOutcome | null = null;
    store.append(appendOf('a', NO_STREAM, 'one'), (settledAs) => (outcome = settledAs));
    await store.stop();
    expect(outcome).toMatchObject({ status: 'unknown' });
  });

  it('is refused for a stream that somebody has deleted, be it for ever or not', async () => {
    const first = appendOf('a', NO_STREAM, 'one', 'two');
    await settled(store, first);
    await double.log.delete(stream('a'), 1, false);
    expect(await textsIn(store, 'a')).toEqual([]);
    // Its events were there: the server would say that it has written them.
    expect(await settled(store, first)).toEqual({ status: 'conflict', actual: NO_STREAM });
    // The server goes on with its numbers, which would not be ours.
    expect(await settled(store, appendOf('a', NO_STREAM, 'three'))).toMatchObject({
      status: 'unknown',
      cause: { code: 'append-refused' },
    });
    await double.log.delete(stream('a'), 2, true);
    for (const expected of [1, 7]) {
      const refused = await settled(store, appendOf('a', expected, 'five'));
      expect(refused).toMatchObject({ status: 'unknown', cause: { code: 'append-refused' } });
    }
    await expect(store.readStream(stream('a'))).rejects.toMatchObject({ code: 'stream-deleted' });
  });
});

describe('an archive in EventStoreDB', () => {
  it('is finished by its repeat when either of its steps was lost', async () => {
    for (const [name, faults] of [
      ['stub', [{ type: 'lose-answer' }]],
      ['truncation', [{ type: 'delay', wait: async () => {} }, { type: 'lose-request' }]],
    ] as const) {
      await settled(store, appendOf(name, NO_STREAM, 'one', 'two'));
      double.faults.nextAppends(...faults);
      const shared = envelope();
      const archive = () => store.archive(stream(name), revision(1), noted('stub'), shared);
      expect(await archive()).toMatchObject({ status: 'unknown' });
      const archived = await archive();
      expect(archived).toMatchObject({ status: 'appended', revision: 2 });
      expect(await archive()).toEqual(archived);
      expect(await textsIn(store, name)).toEqual(['stub']);
    }
  });
});

describe('a subscription to EventStoreDB', () => {
  const write = async (from: number, to: number): Promise<void> => {
    for (let index = from; index < to; index++) {
      expect(await surely(appendOf('a', index * 2 - 1, `${index}`, `${index}b`))).toMatchObject({ status: 'appended' });
    }
  };
  const texts = (to: number): readonly string[] =>
    Array.from({ length: to }, (_, index) => [`${index}`, `${index}b`]).flat();

  it('is never further than the head, though the log ends in events of the server', async () => {
    await surely(appendOf('a', NO_STREAM, 'one'));
    const follower = follow(store, LOG_START, { prefixes: ['run-'], audience: 'owner' });
    await follower.untilCaughtUp();
    const before = await store.head();
    // So many that the server says in between how far it has looked.
    const statistics = Array.from({ length: 1_200 }, () => serverEvent('$stats'));
    await double.log.append({ stream: '$stats', expected: 'any', events: statistics });
    await follower.until(() => follower.messages.at(-1)!.position > before);
    await follower.end();
    expect(await store.head()).toBeGreaterThanOrEqual(follower.messages.at(-1)!.position);
  });

  it('skips and repeats nothing when its connections break and the server restarts under load', async () => {
    await write(0, 5);
    const filters = [{}, { stream: stream('a') }, { prefixes: [stream('')] }];
    const followers = filters.map((filter) => follow(store, LOG_START, filter));
    await Promise.all(followers.map((follower) => follower.untilTexts(10)));
    let written = 5;
    for (const breakIt of [async () => double.cut(), () => double.restart(), async () => double.cut()]) {
      const writing = write(written, written + 20);
      await pause(5);
      await breakIt();
      await writing;
      written += 20;
      await Promise.all(followers.map((follower) => follower.untilTexts(written * 2)));
    }
    // One more, so that a repeat would be seen before it.
    await write(written, written + 1);
    for (const follower of followers) {
      await follower.untilTexts((written + 1) * 2);
      await follower.end();
      expect(follower.texts()).toEqual(texts(written + 1));
      expect(follower.caughtUp().length).toBeGreaterThan(1);
    }
  });

  it('goes on from the very next event after each break', async () => {
    const followers = [follow(store, LOG_START), follow(store, LOG_START, { stream: stream('a') })];
    for (let count = 0; count < 5; count++) {
      await Promise.all(followers.map((follower) => follower.untilCaughtUp()));
      double.cut();
      // Written while nobody is subscribed: what the next subscription begins with.
      await write(count, count + 1);
      await Promise.all(followers.map((follower) => follower.untilTexts((count + 1) * 2)));
    }
    for (const follower of followers) {
      await follower.end();
      expect(follower.texts()).toEqual(texts(5));
    }
  });

  it.each(['23.10.8', '24.2.0'])(
    'bears appends that come faster than a server of %s hands them on, and says nothing of it',
    async (version) => {
      await restartAs(version);
      const filters = [{}, { stream: stream('a') }, { prefixes: [stream('b-')] }];
      const followers = filters.map((filter) => follow(store, LOG_START, filter));
      await Promise.all(followers.map((follower) => follower.untilCaughtUp()));
      const many = Array.from({ length: 100 }, (_, index) => index);
      for (let round = 0; round < 5; round++) {
        const expected = round * 200 - 1;
        const appends = many.flatMap((index) => [
          appendOf(`b-${round}-${index}`, NO_STREAM, 'one'),
          appendOf('a', expected + index * 2, 'two', 'three'),
        ]);
        await Promise.all(appends.map(surely));
        await pause(20);
      }
      await Promise.all(followers.map((follower, at) => follower.untilTexts([1500, 1000, 500][at]!)));
      for (const follower of followers) {
        await follower.end();
        expect(follower.caughtUp()).toHaveLength(1);
      }
      const all = textsOf(await store.readAll(LOG_START, { limit: 10_000 }));
      expect(followers[0]!.texts()).toEqual(all);
      expect(followers[1]!.texts()).toEqual(all.filter((text) => text !== 'one'));
      expect(followers[2]!.texts()).toEqual(all.filter((text) => text === 'one'));
      expect(warned).toEqual([]);
    },
  );

  it('takes no more into memory than its bound while its reader does not come', async () => {
    const big = 'x'.repeat(100_000);
    for (let index = 0; index < 100; index++) await surely(appendOf(`big-${index}`, NO_STREAM, big));
    const abort = new AbortController();
    const messages = store.subscribe(LOG_START, { signal: abort.signal })[Symbol.asyncIterator]();
    const sizes: number[] = [];
    for (let seen = 0; seen < 100;) {
      const next = await messages.next();
      if (next.done === true) throw new Error('the subscription has ended');
      const message: SubscriptionMessage = next.value;
      if (message.type !== 'commits') continue;
      seen += message.commits.length;
      sizes.push(message.commits.reduce((sum, { packed }) => sum + packed.length, 0));
      await pause(20);
    }
    abort.abort();
    await messages.next();
    expect(Math.max(...sizes)).toBeLessThan(2_000_000);
  });

  it('leaves the streams of the server, and events that are not ours, alone', async () => {
    const one = await settled(store, appendOf('a', NO_STREAM, 'one', 'two'));
    const head = await store.head();
    expect(one).toMatchObject({ position: head });
    await double.log.append({ stream: '$stats', expected: 'any', events: [serverEvent('$stats')] });
    expect(await store.head()).toBeGreaterThan(head);
    const order = await double.log.append({
      stream: 'orders-1',
      expected: 'any',
      events: [serverEvent('OrderPlaced')],
    });
    // Looked for behind all that others have written, it could not be told in time.
    expect(order).toMatchObject({
      status: 'written',
      position: await store.head(),
    });
    await settled(store, appendOf('a', 1, 'three'));
    const follower = follow(store, LOG_START);
    await follower.untilTexts(3);
    await follower.end();
    const streams = follower.messages.flatMap((message) => (message.type === 'commits' ? message.commits : []));
    expect(streams.map((commit) => commit.stream)).toEqual([stream('a'), stream('a')]);
    expect(await store.readAll(LOG_START, { limit: 10 })).toHaveLength(2);
  });

  it('is told by a read of a stream that nothing answers, and goes on when something does', async () => {
    await settled(store, appendOf('a', NO_STREAM, 'one'));
    const hasty = newStore({ readPatienceMs: 200 });
    await hasty.start();
    double.faults.freeze();
    await expect(hasty.readStream(stream('a'))).rejects.toMatchObject({ code: 'log-unreachable' });
    double.faults.thaw();
    expect(await textsIn(hasty, 'a')).toEqual(['one']);
  });

  it('gives an append whole to a reader that begins inside it', async () => {
    await settled(store, appendOf('a', NO_STREAM, 'one', 'two', 'three'));
    const [commit] = await store.readAll(LOG_START, { limit: 1 });
    const inside = (commit!.position - 1) as Position;
    expect(await store.readAll(inside, { limit: 10 })).toEqual([commit]);
    expect(await store.readAll(commit!.position, { limit: 10 })).toEqual([]);
  });
});

const serverEvent = (type: string) => ({
  id: crypto.randomUUID(),
  type,
  contentType: 'application/json',
  metadata: Buffer.from(''),
  data: Buffer.from('{}'),
});
