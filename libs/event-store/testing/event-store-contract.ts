import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Append, AppendOutcome, Commit, EventStore, Filter, NewEvent, Position } from '../src/event-store.js';
import { APPEND_BYTES_MAX, APPEND_EVENTS_MAX, AppendRefused, LOG_START, NO_STREAM } from '../src/event-store.js';
import { unpack } from '../src/packed.js';
import type { Case } from './contract-cases.js';
import {
  appendOf,
  envelope,
  follow,
  known,
  newScope,
  noted,
  ours,
  revision,
  settled,
  stream,
  textsIn,
  textsOf,
} from './contract-cases.js';
import { readingPages } from './page-contract.js';
import { subscribing } from './subscription-contract.js';

/** A store under test. `reopen` stops it and gives one over the same log. */
export type StoreUnderTest = {
  readonly store: EventStore;
  readonly reopen: () => Promise<EventStore>;
  readonly dispose: () => Promise<void>;
  /** The log has a server that others write to as well, and that gives back the space of archived events when it pleases. */
  readonly shared?: true;
  /** One process has it to itself: nobody is spared anything. */
  readonly ownsAlone?: true;
  /** How many appends reads of one stream have looked at so far, where that can be counted. */
  readonly appendsRead?: () => number;
};

/** Small bounds for memory, so that falling behind is quick to reach; adapters that have none ignore them. */
export const SMALL_FOLLOWER_LIMITS = { ringBytesMax: 4096, inboxBytesMax: 2048 };

/** What every event store promises. A behaviour that is not here is not promised. */
export const eventStoreContract = (name: string, factory: () => Promise<StoreUnderTest>): void => {
  describe(name, () => {
    let underTest: StoreUnderTest;
    let store: EventStore;
    let origin: Position;
    beforeEach(async () => {
      newScope();
      underTest = await factory();
      store = underTest.store;
      await store.start();
      origin = await store.head();
    });
    afterEach(() => underTest.dispose());

    const given = async (...appends: readonly Append[]): Promise<void> => {
      for (const append of appends) expect((await settled(store, append)).status).toBe('appended');
    };

    const cases: Case = {
      store: () => store,
      given,
      origin: () => origin,
      alone: () => underTest.shared !== true,
      sparesAudiences: () => underTest.ownsAlone !== true,
      appendsRead: () => underTest.appendsRead?.() ?? null,
    };
    appending(cases);
    reading(cases);
    readingPages(cases);
    subscribing(cases);
    archiving(cases);

    it('holds everything when it is opened again, and goes on from there', async () => {
      const four = appendOf('a', 1, 'four');
      await given(appendOf('a', NO_STREAM, 'one', 'two'), appendOf('b', NO_STREAM, 'three'));
      const appended = await settled(store, four);
      const before = await all(cases);
      expect(before).toHaveLength(3);
      store = await underTest.reopen();
      // Before anything is read: the store knows no more of the stream than its log.
      expect(await settled(store, four)).toEqual(appended);
      expect(await all(cases)).toEqual(before);
      expect(await settled(store, appendOf('a', NO_STREAM, 'x'))).toEqual({ status: 'conflict', actual: 2 });
      const next = await settled(store, appendOf('a', 2, 'five'));
      expect(next).toMatchObject({ status: 'appended', revision: 3 });
      expect(next.status === 'appended' && next.position > before.at(-1)!.position).toBe(true);
      expect(await textsIn(store, 'a')).toEqual(['one', 'two', 'four', 'five']);
    });

    it('answers what is under way before it has stopped, and nothing is appended after', async () => {
      let outcome: AppendOutcome | null = null;
      store.append(appendOf('a', NO_STREAM, 'one'), (settledAs) => (outcome = settledAs));
      await Promise.all([store.stop(), store.stop()]);
      expect(outcome).toMatchObject({ status: 'appended', revision: 0 });
      expect(await settled(store, appendOf('a', 0, 'two'))).toMatchObject({ status: 'unknown' });
      store = await underTest.reopen();
      expect(await textsIn(store, 'a')).toEqual(['one']);
    });
  });
};

/** Everything of the test, read without a filter. */
const all = async ({ store, origin }: Case): Promise<readonly Commit[]> => {
  const read: Commit[] = [];
  for (;;) {
    const page = await store().readAll(read.at(-1)?.position ?? origin(), { limit: 1000 });
    if (page.length === 0) return ours(read);
    read.push(...page);
  }
};

const appending = (cases: Case): void => {
  const { store: current, given } = cases;
  it('answers with the revision of the last event, and a position that grows', async () => {
    const first = await settled(current(), appendOf('a', NO_STREAM, 'one', 'two'));
    const second = await settled(current(), appendOf('a', 1, 'three'));
    expect(first).toMatchObject({ status: 'appended', revision: 1 });
    expect(second).toMatchObject({ status: 'appended', revision: 2 });
    expect(first.status === 'appended' && second.status === 'appended' && second.position > first.position).toBe(true);
  });

  it('never settles synchronously', async () => {
    let returned = false;
    const wasReturned = new Promise<boolean>((resolve) => {
      current().append(appendOf('a', NO_STREAM, 'one'), () => resolve(returned));
    });
    returned = true;
    expect(await wasReturned).toBe(true);
  });

  it('lets one of two first appends with different content win, and tells the loser the actual revision', async () => {
    const one = appendOf('a', NO_STREAM, 'one', 'more of one');
    const two = appendOf('a', NO_STREAM, 'two');
    const outcomes = await Promise.all([settled(current(), one), settled(current(), two)]);
    expect(outcomes.map((outcome) => outcome.status).toSorted()).toEqual(['appended', 'conflict']);
    const winner = outcomes[0]!.status === 'appended' ? ['one', 'more of one'] : ['two'];
    expect(await textsIn(current(), 'a')).toEqual(winner);
    expect(outcomes.find((outcome) => outcome.status === 'conflict')).toEqual({
      status: 'conflict',
      actual: winner.length - 1,
    });
  });

  it('refuses an append that expects a later revision, or one of a stream that is not there', async () => {
    await given(appendOf('a', NO_STREAM, 'one'));
    expect(await settled(current(), appendOf('a', 1, 'x'))).toEqual({ status: 'conflict', actual: 0 });
    expect(await settled(current(), appendOf('b', 0, 'x'))).toEqual({ status: 'conflict', actual: NO_STREAM });
  });

  it('refuses an append that expects an earlier revision, be it the end of an append or inside one', async () => {
    await given(appendOf('a', NO_STREAM, 'one', 'two', 'three'), appendOf('a', 2, 'four', 'five'));
    for (const expected of [NO_STREAM, 0, 1, 2, 3]) {
      expect(await settled(current(), appendOf('a', expected, 'x'))).toEqual({ status: 'conflict', actual: 4 });
    }
    expect(await textsIn(current(), 'a')).toEqual(['one', 'two', 'three', 'four', 'five']);
  });

  it('answers a repeated append with its first result and keeps no second copy', async () => {
    const first = appendOf('a', NO_STREAM, 'one', 'two');
    const [once, again] = await Promise.all([known(current(), first), known(current(), first)]);
    expect(again).toEqual(once);
    await given(appendOf('b', NO_STREAM, 'other'), appendOf('a', 1, 'three'));
    expect(await settled(current(), first)).toEqual(once);
    expect(await textsIn(current(), 'a')).toEqual(['one', 'two', 'three']);
    expect(textsOf(await all(cases))).toEqual(['one', 'two', 'other', 'three']);
  });

  it('gives a repeated append to no follower a second time', async () => {
    const follower = follow(current(), cases.origin());
    const first = appendOf('a', NO_STREAM, 'one');
    await Promise.all([known(current(), first), known(current(), first)]);
    await given(first, appendOf('a', 0, 'two'));
    await follower.untilTexts(2);
    await follower.end();
    expect(follower.texts()).toEqual(['one', 'two']);
  });

  it('leaves the other appends of the same moment alone when one conflicts', async () => {
    await given(appendOf('a', NO_STREAM, 'one'));
    const outcomes = await Promise.all([
      settled(current(), appendOf('b', NO_STREAM, 'two')),
      settled(current(), appendOf('a', NO_STREAM, 'conflicts')),
      settled(current(), appendOf('c', NO_STREAM, 'three')),
    ]);
    expect(outcomes.map((outcome) => outcome.status)).toEqual(['appended', 'conflict', 'appended']);
    expect(textsOf(await all(cases))).toEqual(['one', 'two', 'three']);
  });

  it('takes appends to one stream that are made in one moment in their order', async () => {
    const outcomes = await Promise.all([
      settled(current(), appendOf('a', NO_STREAM, 'one')),
      settled(current(), appendOf('a', 0, 'two', 'three')),
      settled(current(), appendOf('a', 2, 'four')),
    ]);
    expect(outcomes.map((outcome) => outcome.status)).toEqual(['appended', 'appended', 'appended']);
    expect(await textsIn(current(), 'a')).toEqual(['one', 'two', 'three', 'four']);
  });

  it('refuses an append without events, with too many, or too large, and takes one at each bound', async () => {
    const store = current();
    const refused = (append: Append) => expect(() => store.append(append, () => {})).toThrow(AppendRefused);
    const many = Array.from({ length: APPEND_EVENTS_MAX }, (_, index) => `${index}`);
    refused(appendOf('a', NO_STREAM));
    refused(appendOf('a', NO_STREAM, ...many, 'one more'));
    refused(appendOf('a', NO_STREAM, 'x'.repeat(APPEND_BYTES_MAX)));
    refused(appendOf('a', NO_STREAM, 'é'.repeat(APPEND_BYTES_MAX / 2)));
    const nearlyFull = APPEND_BYTES_MAX - 1000;
    await given(appendOf('a', NO_STREAM, ...many), appendOf('b', NO_STREAM, 'é'.repeat(nearlyFull / 2)));
    expect(await textsIn(store, 'a')).toEqual(many);
    expect((await textsIn(store, 'b'))[0]).toHaveLength(nearlyFull / 2);
  });

  it('gives payload text back byte for byte', async () => {
    const odd =
      '{"b":1,"a":[1e3,1.50,9007199254740993,1e400,-0,"\\u0000\\ud800 \\/ \u2028 é 😀"],"__proto__":{},"":null}';
    const event: NewEvent = { type: 'Noted', v: 3, data: odd };
    await given({ stream: stream('a'), expected: NO_STREAM, events: [event, event], envelope: envelope() });
    const [commit] = await all(cases);
    expect(commit!.packed.split(odd)).toHaveLength(3);
    expect(await current().readStream(stream('a'))).toMatchObject([
      { v: 3, data: odd },
      { v: 3, data: odd },
    ]);
  });
};

const reading = (cases: Case): void => {
  const { store: current, given, origin, alone } = cases;
  it('gives an event with its envelope, and an id that is its own and always the same', async () => {
    const append = appendOf('a', NO_STREAM, 'one', 'two');
    await given(append);
    const events = await current().readStream(stream('a'));
    expect(events).toMatchObject([
      { type: 'Noted', v: 1, stream: stream('a'), revision: 0, data: '{"text":"one"}' },
      { type: 'Noted', v: 1, stream: stream('a'), revision: 1, data: '{"text":"two"}' },
    ]);
    for (const event of events) {
      expect(event).toMatchObject({
        recordedAt: append.envelope.recordedAt,
        actor: 'api',
        causation: append.envelope.commandId,
        traceparent: null,
      });
      expect(event.id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    }
    expect(events[0]!.id).not.toBe(events[1]!.id);
    const again = await current().readStream(stream('a'));
    expect(again.map((event) => event.id)).toEqual(events.map((event) => event.id));
    const [commit] = await all(cases);
    expect(commit!.position).toBe(events[1]!.position);
    expect(unpack(commit!)).toEqual(events);
    if (alone()) expect(await current().head()).toBe(events[1]!.position);
  });

  it('reads a stream from any revision on, and no more than asked for', async () => {
    await given(
      appendOf('a', NO_STREAM, '0', '1', '2'),
      appendOf('b', NO_STREAM, 'x'),
      appendOf('a', 2, '3'),
      appendOf('a', 3, '4', '5'),
    );
    const all = ['0', '1', '2', '3', '4', '5'];
    for (let from = 0; from <= all.length; from++) {
      expect(await textsIn(current(), 'a', { from: revision(from) })).toEqual(all.slice(from));
      for (const limit of [1, 2, 4]) {
        expect(await textsIn(current(), 'a', { from: revision(from), limit })).toEqual(all.slice(from, from + limit));
      }
    }
    expect(await textsIn(current(), 'nowhere')).toEqual([]);
  });

  it('reads nothing past the head, nor in an empty log', async () => {
    expect(ours(await current().readAll(origin(), { limit: 10 }))).toEqual([]);
    if (!alone()) return;
    expect(await current().head()).toBe(LOG_START);
    expect(await current().readAll(LOG_START, { limit: 10 })).toEqual([]);
  });

  it('pages through the whole log in the order of the appends', async () => {
    const texts = Array.from({ length: 25 }, (_, index) => `${index}`);
    for (const text of texts) await given(appendOf(`s${text}`, NO_STREAM, text, `${text}b`));
    const seen: Commit[] = [];
    const head = await current().head();
    for (let after = origin(); after < head; after = seen.at(-1)!.position) {
      const page = await current().readAll(after, { limit: 4 });
      expect(page.length).toBeGreaterThan(0);
      expect(page.length).toBeLessThanOrEqual(4);
      seen.push(...page);
    }
    expect(textsOf(seen)).toEqual(texts.flatMap((text) => [text, `${text}b`]));
    expect(ours(seen).every((commit) => commit.count === 2 && commit.firstRevision === 0)).toBe(true);
    if (!alone()) return;
    expect(seen.at(-1)!.position).toBe(head);
    expect(await current().readAll(head, { limit: 4 })).toEqual([]);
  });

  it('filters the log by stream and by prefixes', async () => {
    await given(
      appendOf('run-01-a', NO_STREAM, 'one'),
      appendOf('plan-x', NO_STREAM, 'plan'),
      appendOf('run-02-b', NO_STREAM, 'two'),
      appendOf('run-01-a', 0, 'three'),
      appendOf('catalogue', NO_STREAM, 'four'),
    );
    const read = async (filter: Filter, limit = 10) => textsOf(await current().readAll(origin(), { limit, filter }));
    expect(await read({ stream: stream('run-01-a') })).toEqual(['one', 'three']);
    expect(await read({ stream: stream('run-01') })).toEqual([]);
    expect(await read({ prefixes: [stream('run-')] })).toEqual(['one', 'two', 'three']);
    expect(await read({ prefixes: [stream('run-01-'), stream('catalogue')] })).toEqual(['one', 'three', 'four']);
    expect(await read({ prefixes: [stream('run-')] }, 2)).toEqual(['one', 'two']);
    expect(await read({ prefixes: [] })).toEqual([]);
  });
};

const archiving = (cases: Case): void => {
  const { store: current, given, alone } = cases;
  const archived = (name: string, expected: number, text: string) =>
    current().archive(stream(name), revision(expected), noted(text), envelope());

  it('replaces a history by one event, and the revisions go on', async () => {
    await given(appendOf('a', NO_STREAM, 'one', 'two'), appendOf('b', NO_STREAM, 'other'), appendOf('a', 1, 'three'));
    const follower = follow(current(), await current().head());
    expect(await archived('a', 2, 'stub')).toMatchObject({ status: 'appended', revision: 3 });
    expect(await current().readStream(stream('a'))).toMatchObject([{ revision: 3, data: '{"text":"stub"}' }]);
    expect(await textsIn(current(), 'a', { from: revision(4) })).toEqual([]);
    // A server may keep what is archived in the whole log for some time, before the stub.
    const left = textsOf(await all(cases));
    expect(left).toEqual(
      alone() ? ['other', 'stub'] : ['one', 'two', 'other', 'three', 'stub'].filter((text) => left.includes(text)),
    );
    expect(left).toEqual(expect.arrayContaining(['other', 'stub']));
    expect(await settled(current(), appendOf('a', NO_STREAM, 'x'))).toEqual({ status: 'conflict', actual: 3 });
    await given(appendOf('a', 3, 'four'));
    expect(await textsIn(current(), 'a', { from: revision(1) })).toEqual(['stub', 'four']);
    expect(await archived('a', 4, 'second stub')).toMatchObject({ status: 'appended', revision: 5 });
    expect(await current().readStream(stream('a'))).toMatchObject([{ revision: 5, data: '{"text":"second stub"}' }]);
    await follower.untilTexts(3);
    await follower.end();
    expect(follower.texts()).toEqual(['stub', 'four', 'second stub']);
  });

  it('archives nothing on another revision than expected, nor a stream that is not there', async () => {
    await given(appendOf('a', NO_STREAM, 'one'));
    expect(await archived('a', 4, 'stub')).toEqual({ status: 'conflict', actual: 0 });
    expect(await archived('b', NO_STREAM, 'stub')).toEqual({ status: 'conflict', actual: NO_STREAM });
    expect(await textsIn(current(), 'a')).toEqual(['one']);
  });

  it('answers a repeated archive with its first result', async () => {
    await given(appendOf('a', NO_STREAM, 'one'));
    const same = envelope();
    const first = await current().archive(stream('a'), revision(0), noted('stub'), same);
    expect(await current().archive(stream('a'), revision(0), noted('stub'), same)).toEqual(first);
  });
};
