import { expect, it } from '@jest/globals';
import { randomInt } from 'node:crypto';
import type { Append, Audience, Filter, Position, Revision, StreamName } from '../src/event-store.js';
import { NO_STREAM } from '../src/event-store.js';
import { unpack } from '../src/packed.js';
import { runStream } from '../src/stream-names.js';
import type { Case } from './contract-cases.js';
import { appendOf, follow, ours, settled, stream, textOf, textsOf } from './contract-cases.js';

const LETTERS = 'abcdefghijklmnopqrstuvwxyz234567';
/** What a run id may end in, after its first letter. */
const randomRunTail = (): string => `${Array.from({ length: 24 }, () => LETTERS[randomInt(32)]).join('')}a`;

/** The cases of the contract about those who follow a log. */
export const subscribing = (cases: Case): void => {
  const { store: current, given, origin, alone } = cases;
  const writeMany = async (from: number, count: number): Promise<void> => {
    const outcomes = Array.from({ length: count }, (_, index) =>
      settled(current(), appendOf(`s-${from + index}`, NO_STREAM, `${from + index}`)),
    );
    await Promise.all(outcomes);
  };
  const numbers = (from: number, to: number): readonly string[] =>
    Array.from({ length: to - from }, (_, index) => `${from + index}`);

  it('follows from the start, the middle and the head beside concurrent appends, and skips, repeats and reorders nothing', async () => {
    await writeMany(0, 100);
    const stored = ours(await current().readAll(origin(), { limit: 100_000 }));
    const middle = stored[39]!.position;
    const followers = [
      [follow(current(), origin()), 0],
      [follow(current(), middle), 40],
      [follow(current(), await current().head()), 100],
    ] as const;
    for (let from = 100; from < 400; from += 50) await writeMany(from, 50);
    for (const [follower, from] of followers) {
      await follower.untilTexts(400 - from);
      await follower.end();
      expect(follower.texts()).toEqual(numbers(from, 400));
    }
  });

  it('gives the same, in order and once, where appends may gather, now and then', async () => {
    let asked = 0;
    // Ever so often told, and then read again.
    const gatherMs = (): number => (++asked % 5 === 0 ? 0 : 3);
    const all = follow(current(), origin(), {}, gatherMs);
    const ofRuns = follow(current(), origin(), { prefixes: ['run-'], audience: 'owner' }, gatherMs);
    const runs = Array.from({ length: 30 }, () => runStream(`a${randomRunTail()}`));
    const seen = ({ messages }: typeof all) =>
      messages
        .flatMap((message) => (message.type === 'commits' ? message.commits : []))
        .map((commit) => commit.stream)
        .filter((name) => runs.includes(name));
    for (const [index, name] of runs.entries()) {
      const start = settled(current(), { ...appendOf('x', NO_STREAM, 'run'), stream: name });
      await Promise.all([writeMany(index * 10, 10), start]);
    }
    await all.untilTexts(300);
    await ofRuns.until(() => seen(ofRuns).length >= runs.length);
    // More, so that a repeat would be seen before it.
    await writeMany(300, 1);
    await all.untilTexts(301);
    await Promise.all([all.end(), ofRuns.end()]);
    expect(all.texts().toSorted((a, b) => Number(a) - Number(b))).toEqual(numbers(0, 301));
    expect(all.texts()).toEqual(textsOf(await current().readAll(origin(), { limit: 100_000 })));
    const positions = all.messages.map(({ position }) => position);
    expect(positions).toEqual(positions.toSorted((a, b) => a - b));
    for (const follower of [all, ofRuns]) expect(seen(follower)).toEqual(runs);
  });

  it('follows one long stream from its start while it grows, and skips, repeats and reorders nothing', async () => {
    // More than one page of what is stored, and less new than makes the follower fall behind.
    const stored = 1200;
    const appends = numbers(0, stored + 8).map((text, index) => appendOf('a', index - 1, text));
    await Promise.all(appends.slice(0, stored).map((append) => settled(current(), append)));
    const follower = follow(current(), origin(), { stream: stream('a') });
    for (const append of appends.slice(stored)) await given(append);
    await follower.untilTexts(appends.length);
    // One more, so that a repeat would be seen before it.
    await given(appendOf('a', appends.length - 1, 'last'));
    await follower.untilTexts(appends.length + 1);
    await follower.end();
    expect(follower.texts()).toEqual([...numbers(0, appends.length), 'last']);
  });

  it('says once that it has caught up, after what was stored and before what follows', async () => {
    await given(appendOf('a', NO_STREAM, 'one'));
    const follower = follow(current(), origin());
    await follower.untilCaughtUp();
    const head = await current().head();
    await given(appendOf('a', 0, 'two'), appendOf('a', 1, 'three'));
    await follower.untilTexts(3);
    await follower.end();
    expect(follower.textsBeforeCaughtUp()).toEqual(['one']);
    const caughtUp = follower.caughtUp();
    expect(caughtUp).toHaveLength(1);
    // Not before what it was given, and not past what was there.
    expect(caughtUp[0]!.position).toBeGreaterThan(origin());
    expect(caughtUp[0]!.position).toBeLessThanOrEqual(head);
    if (alone()) expect(caughtUp[0]!.position).toBe(head);
  });

  it('says at once that it has caught up with a log that ends where it begins', async () => {
    const follower = follow(current(), origin());
    await follower.untilCaughtUp();
    await follower.end();
    expect(follower.texts()).toEqual([]);
    expect(follower.caughtUp()[0]!.position).toBeGreaterThanOrEqual(origin());
    if (alone()) expect(follower.messages).toEqual([{ type: 'caught-up', position: origin() }]);
  });

  it('follows one stream, and streams by prefix, among others', async () => {
    await given(appendOf('run-a', NO_STREAM, 'one'), appendOf('run-b', NO_STREAM, 'two'));
    const one = follow(current(), origin(), { stream: stream('run-a') });
    const later = follow(current(), origin(), { stream: stream('run-c') });
    const some = follow(current(), origin(), { prefixes: [stream('run-')] });
    await Promise.all([one.untilCaughtUp(), later.untilCaughtUp(), some.untilCaughtUp()]);
    await given(
      appendOf('plan-x', NO_STREAM, 'plan'),
      appendOf('run-a', 0, 'three'),
      appendOf('run-c', NO_STREAM, 'four'),
    );
    await Promise.all([one.untilTexts(2), later.untilTexts(1), some.untilTexts(4)]);
    await Promise.all([one.end(), later.end(), some.end()]);
    expect(one.texts()).toEqual(['one', 'three']);
    expect(later.texts()).toEqual(['four']);
    expect(some.texts()).toEqual(['one', 'two', 'three', 'four']);
  });

  it('gives an audience what is for it and what is for everybody, stored and new, and says how far it is', async () => {
    // Names of runs, since whom an append is for is said of runs.
    const [one, two] = ['a', 'z'].map((first) => runStream(`${first}${randomRunTail()}`));
    const to = (name: StreamName, expected: number, audience?: Audience): Append => ({
      ...appendOf('x', expected, `${audience} ${expected}`),
      stream: name,
      audience,
    });
    const audiences = ['owner', 'waiting', undefined] as const;
    await given(...audiences.map((audience, index) => to(one!, index - 1, audience)));
    const filters = [{ audience: 'owner' }, { audience: 'waiting' }, {}] as const;
    const readers = filters.map((filter) => follow(current(), origin(), { prefixes: ['run-'], ...filter }));
    const narrow = follow(current(), origin(), { prefixes: [one!.slice(0, 7)], audience: 'owner' });
    await Promise.all([...readers, narrow].map((reader) => reader.untilCaughtUp()));
    await given(...audiences.map((audience, index) => to(two!, index - 1, audience)));
    await given(...audiences.map((audience, index) => to(one!, index + 2, audience)));
    const seen = (reader: (typeof readers)[number], name: StreamName) =>
      reader.messages
        .flatMap((message) => (message.type === 'commits' ? message.commits : []))
        .filter((commit) => commit.stream === name)
        .map((commit) => textOf(unpack(commit)[0]!));
    for (const reader of [...readers, narrow]) await reader.until(() => seen(reader, one!).includes('undefined 4'));
    const owners = ['owner -1', 'undefined 1', 'owner 2', 'undefined 4'];
    const everything = ['owner -1', 'waiting 0', 'undefined 1', 'owner 2', 'waiting 3', 'undefined 4'];
    const waiting = everything.filter((text) => !text.startsWith('owner'));
    const spares = cases.sparesAudiences();
    expect(seen(readers[0]!, one!)).toEqual(spares ? owners : everything);
    expect(seen(readers[1]!, one!)).toEqual(spares ? waiting : everything);
    expect(seen(readers[2]!, one!)).toEqual(everything);
    expect(seen(readers[0]!, two!)).toHaveLength(spares ? 2 : 3);
    expect(seen(narrow, one!)).toEqual(spares ? owners : everything);
    expect(seen(narrow, two!)).toEqual([]);
    // So many that every server says in between how far it is.
    const quiet = Array.from({ length: 1200 }, (_, index) => to(two!, index + 2, 'waiting'));
    await Promise.all(quiet.map((append) => settled(current(), append)));
    const stored = await current().readAll(origin(), { limit: 100_000, filter: { stream: two! } });
    const reached = () =>
      readers[0]!.messages.some(({ type, position }) => type === 'commits' && position >= stored.at(-700)!.position);
    await readers[0]!.until(reached);
    for (const { messages } of readers) {
      const positions = messages.map(({ position }) => position);
      expect(positions).toEqual(positions.toSorted((a, b) => a - b));
      expect(positions.at(-1)).toBeLessThanOrEqual(await current().head());
    }
    await Promise.all([...readers, narrow].map((reader) => reader.end()));
  });

  it('gives the owner of a run nothing of its archive', async () => {
    const [run, other] = ['b', 'y'].map((first) => runStream(`${first}${randomRunTail()}`));
    await given({ ...appendOf('x', NO_STREAM, 'one'), stream: run! });
    const head = await current().head();
    const owner = follow(current(), head, { prefixes: ['run-'], audience: 'owner' });
    const everybody = follow(current(), head, { prefixes: ['run-'] });
    await Promise.all([owner.untilCaughtUp(), everybody.untilCaughtUp()]);
    const { envelope: shared } = appendOf('x', 0);
    const stub = { type: 'Noted', v: 1, data: '{"text":"stub"}' };
    expect(await current().archive(run!, 0 as Revision, stub, shared)).toMatchObject({ status: 'appended' });
    await given({ ...appendOf('x', NO_STREAM, 'two'), stream: other! });
    const seen = ({ messages }: typeof owner) =>
      messages
        .flatMap((message) => (message.type === 'commits' ? message.commits : []))
        .map((commit) => commit.stream)
        .filter((name) => name === run || name === other);
    for (const follower of [owner, everybody]) {
      await follower.until(() => seen(follower).includes(other!));
      await follower.end();
    }
    expect(seen(everybody)).toEqual([run, other]);
    expect(seen(owner)).toEqual(cases.sparesAudiences() ? [other] : [run, other]);
  });

  it.each(['all', 'stream', 'prefixes'] as const)(
    'gives everything in order to a follower slower than the appends (%s)',
    async (kind) => {
      const filters = { all: {}, stream: { stream: stream('a') }, prefixes: { prefixes: [stream('a')] } };
      const filter: Filter = filters[kind];
      const abort = new AbortController();
      const seen: string[] = [];
      const caughtUp: Position[] = [];
      const total = 120;
      const slow = (async () => {
        for await (const message of current().subscribe(origin(), { filter, signal: abort.signal })) {
          if (message.type === 'caught-up') caughtUp.push(message.position);
          else seen.push(...textsOf(message.commits));
          if (seen.includes(`${total - 1}`)) abort.abort();
          // Slower than the appends: they pass the bounds of what is kept for it.
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
      })();
      const expected: string[] = [];
      for (let index = 0; index < total; index++) {
        const noise = kind === 'all' ? ['x'.repeat(500)] : [];
        expected.push(...noise, `${index}`);
        await given(appendOf(`b-${index}`, NO_STREAM, 'x'.repeat(500)), appendOf('a', index - 1, `${index}`));
      }
      await slow;
      expect(seen).toEqual(expected);
      expect(caughtUp).toEqual(caughtUp.toSorted((a, b) => a - b));
    },
  );

  it('ends when the signal aborts, also one that was aborted before', async () => {
    const idle = follow(current(), origin());
    await idle.untilCaughtUp();
    await idle.end();
    await given(appendOf('a', NO_STREAM, 'one'));
    const aborted: unknown[] = [];
    for await (const message of current().subscribe(origin(), { signal: AbortSignal.abort() })) aborted.push(message);
    expect(aborted).toEqual([]);
  });

  it('ends its subscriptions when it stops', async () => {
    const all = follow(current(), origin());
    const one = follow(current(), origin(), { stream: stream('a') });
    await Promise.all([all.untilCaughtUp(), one.untilCaughtUp()]);
    await current().stop();
    await Promise.all([all.end(), one.end()]);
  });
};
