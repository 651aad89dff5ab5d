import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import streams from '@eventstore/db-client/generated/streams_pb.js';
import { silentLog, systemClock } from '#runtime';
import { EventStoreDbDouble } from '../../../../test/support/eventstoredb-double/eventstoredb-double.js';
import { tempFolder, type TempFolder } from '../../../../test/support/temp-folder.js';
import {
  appendOf,
  envelope,
  follow,
  newScope,
  noted,
  revision,
  settled,
  stream,
  textsIn,
} from '../../testing/contract-cases.js';
import { LOG_START, NO_STREAM, type Position, type StreamName } from '../event-store.js';
import { envelopeOf, unpack, unpackForFold } from '../packed.js';
import { runStream } from '../stream-names.js';
import { EventStoreDbEventStore } from './eventstoredb-event-store.js';

let folder: TempFolder;
let double: EventStoreDbDouble;
let store: EventStoreDbEventStore;

const newStore = async (): Promise<EventStoreDbEventStore> => {
  const made = new EventStoreDbEventStore(systemClock, silentLog, { url: double.url });
  await made.start();
  return made;
};

beforeEach(async () => {
  newScope();
  folder = await tempFolder('double');
  double = new EventStoreDbDouble({ folder: folder.path, notReadyMs: 0 });
  await double.start();
  store = await newStore();
});
afterEach(async () => {
  await store.stop();
  await double.stop();
  await folder.remove();
});

const RUN = runStream('a'.repeat(26));

/** What the double hands out of its log, as any client reads it. */
const inTheLog = (index: number) => {
  const event = streams.ReadResp.deserializeBinary(double.log.messageAt(index)).getEvent()!.getEvent()!;
  return {
    id: event.getId()!.getString(),
    stream: double.log.streamAt(index),
    revision: Number(event.getStreamRevision()),
    type: event.getMetadataMap().get('type'),
    contentType: event.getMetadataMap().get('content-type'),
    data: JSON.parse(Buffer.from(event.getData_asU8()).toString()) as unknown,
    metadata: JSON.parse(Buffer.from(event.getCustomMetadata_asU8()).toString()) as unknown,
  };
};

/** Somebody else's event, by a page of the server for one. */
const put = (name: StreamName, event: { type?: string; metadata?: string; data?: string; id?: string } = {}) =>
  double.log.append({
    stream: name,
    expected: 'any',
    events: [
      {
        id: event.id ?? crypto.randomUUID(),
        type: event.type ?? 'Remark',
        contentType: 'application/json',
        metadata: Buffer.from(event.metadata ?? ''),
        data: Buffer.from(event.data ?? '{"by":"somebody"}'),
      },
    ],
  });

const placed = (place: { index: number; of: number }): string =>
  JSON.stringify({ $causationId: 'c', recordedAt: '2026-01-02T03:04:05.678Z', v: 1, ...place });

describe('a stream in EventStoreDB', () => {
  it('has an event of the server for each event: its name, its data as plain JSON, and where it comes from', async () => {
    const shared = { ...envelope(), traceparent: '00-1-2-03', region: 'eu' };
    const events = ['one', 'two'].map((text) => noted(text));
    await settled(store, { stream: RUN, expected: NO_STREAM, events, envelope: shared, audience: 'owner' });
    await settled(store, appendOf('no-run', NO_STREAM, 'three'));
    expect(double.log.size).toBe(3);
    const read = await store.readStream(RUN);
    for (const [index, text] of ['one', 'two'].entries()) {
      expect(inTheLog(index)).toEqual({
        id: read[index]!.id,
        stream: RUN,
        revision: index,
        type: 'Noted',
        contentType: 'application/json',
        data: { text },
        metadata: {
          $correlationId: 'a'.repeat(26),
          $causationId: shared.commandId,
          recordedAt: shared.recordedAt,
          actor: 'api',
          traceparent: '00-1-2-03',
          region: 'eu',
          audience: 'owner',
          v: 1,
          index,
          of: 2,
        },
      });
    }
    expect(Object.keys(inTheLog(2).metadata as object)).not.toContain('$correlationId');
    const [commit] = await store.readAll(LOG_START, { limit: 1 });
    expect(envelopeOf(commit!.packed)).toEqual(shared);
  });

  it('has the revisions and positions that the server shows', async () => {
    await settled(store, appendOf('a', NO_STREAM, 'one', 'two'));
    await settled(store, appendOf('a', 1, 'three', 'four', 'five'));
    const events = await store.readStream(stream('a'));
    expect(events.map(({ revision, position }) => [revision, position])).toEqual(
      [0, 1, 2, 3, 4].map((index) => [index, double.log.positionAt(index)]),
    );
    const commits = await store.readAll(LOG_START, { limit: 10 });
    expect(commits.flatMap(unpack)).toEqual(events);
    expect(commits.flatMap(unpackForFold).map(({ position }) => position)).toEqual(
      events.map(({ position }) => position),
    );
  });

  it('is read when its events were written anew by others, as JSON is', async () => {
    const [numbers, commandId] = ['[1.0,9007199254740993,1e400,-0]', 'c'];
    const metadata = (index: number) =>
      JSON.stringify({ of: 2, index, v: 3, recordedAt: '2026-01-02T03:04:05.678Z', $causationId: commandId }, null, 2);
    await put(stream('a'), { type: 'Noted', metadata: metadata(0), data: `{ "text" : "one",\n "all": ${numbers} }` });
    await put(stream('a'), { type: 'Noted', metadata: metadata(1), data: `{"text": "two"}` });
    const events = await store.readStream(stream('a'));
    expect(events).toMatchObject([
      { type: 'Noted', v: 3, data: `{"text":"one","all":${numbers}}`, causation: commandId, actor: null },
      { type: 'Noted', v: 3, data: '{"text":"two"}', causation: commandId, traceparent: null },
    ]);
    expect(await store.readAll(LOG_START, { limit: 10 })).toMatchObject([{ firstRevision: 0, count: 2 }]);
  });

  it('is read by a process that has never seen it, whatever revision is asked for', async () => {
    const appends = [3, 1, 5, 2];
    const texts: string[] = [];
    const written = [];
    for (const count of appends) {
      const more = Array.from({ length: count }, (_, index) => `${texts.length + index}`);
      const append = appendOf('a', texts.length - 1, ...more);
      written.push([append, await settled(store, append)] as const);
      texts.push(...more);
    }
    const asked = async <T>(ask: (fresh: EventStoreDbEventStore) => Promise<T>): Promise<T> => {
      const fresh = await newStore();
      const answer = await ask(fresh);
      await fresh.stop();
      return answer;
    };
    for (let from = 0; from <= texts.length + 1; from++) {
      const read = await asked((fresh) => textsIn(fresh, 'a', { from: revision(from), limit: 3 }));
      expect(read).toEqual(texts.slice(from, from + 3));
    }
    for (const [append, outcome] of written) expect(await asked((fresh) => settled(fresh, append))).toEqual(outcome);
    // At every revision but the last: inside an append and between two.
    for (let expected = -1; expected < texts.length + 2; expected++) {
      if (expected === texts.length - 1) continue;
      const outcome = await asked((fresh) => settled(fresh, appendOf('a', expected, 'x')));
      expect(outcome).toEqual({ status: 'conflict', actual: texts.length - 1 });
    }
    await settled(store, appendOf('b', NO_STREAM, 'other'));
    const shared = envelope();
    const archive = () =>
      asked((fresh) => fresh.archive(stream('a'), revision(texts.length - 1), noted('stub'), shared));
    const stub = await archive();
    expect(stub).toMatchObject({ status: 'appended', revision: texts.length });
    expect(await archive()).toEqual(stub);
    expect(await asked((fresh) => textsIn(fresh, 'a', { from: revision(3) }))).toEqual(['stub']);
    const next = await asked((fresh) => settled(fresh, appendOf('a', texts.length, 'next')));
    expect(next).toMatchObject({ status: 'appended', revision: texts.length + 1 });
    expect(await asked((fresh) => settled(fresh, appendOf('a', 4, 'x')))).toMatchObject({ status: 'conflict' });
  });

  it('shows what others appended, and refuses whoever has not seen it', async () => {
    const other = await newStore();
    await settled(store, appendOf('a', NO_STREAM, 'one', 'two'));
    // The first one does not know of it.
    expect(await settled(other, appendOf('a', 1, 'three'))).toMatchObject({ status: 'appended', revision: 2 });
    expect(await textsIn(store, 'a', { from: revision(2), limit: 1 })).toEqual(['three']);
    expect(await settled(store, appendOf('a', 1, 'four'))).toEqual({ status: 'conflict', actual: 2 });
    expect(await settled(store, appendOf('a', 2, 'five'))).toMatchObject({ status: 'appended', revision: 3 });
    expect(await textsIn(store, 'a')).toEqual(['one', 'two', 'three', 'five']);
    await other.stop();
  });
});

describe('an event that is not ours in a stream of ours', () => {
  const warned: string[] = [];
  const FOREIGN_PLACES = [
    ['before the first append', 0],
    ['between two appends', 1],
    ['after the last append', 2],
  ] as const;

  const logged = async (): Promise<EventStoreDbEventStore> => {
    warned.length = 0;
    const warn = (message: string, fields?: object): void => void warned.push(`${message} ${JSON.stringify(fields)}`);
    const made = new EventStoreDbEventStore(systemClock, { ...silentLog, warn }, { url: double.url });
    await made.start();
    return made;
  };

  it.each(FOREIGN_PLACES)('takes its revision and is shown for what it is: %s', async (_, at) => {
    const id = crypto.randomUUID();
    const write = [
      (from: number) => settled(store, { ...appendOf('a', from - 1, 'one', 'two'), stream: RUN }),
      (from: number) => settled(store, { ...appendOf('a', from - 1, 'three', 'four'), stream: RUN }),
    ];
    for (let count = 0; count <= 2; count++) {
      if (count === at) await put(RUN, { id, type: 'A "remark"', data: '{"n": 1.0,\n"by":"x"}' });
      const from = count * 2 + (count >= at ? 1 : 0);
      if (count < 2) expect(await write[count]!(from)).toMatchObject({ status: 'appended', revision: from + 1 });
    }
    const other = await logged();
    const events = await other.readStream(RUN);
    expect(events.map((event) => event.revision)).toEqual([0, 1, 2, 3, 4]);
    const foreign = {
      id,
      type: 'Foreign',
      v: 1,
      revision: at * 2,
      data: '{"eventType":"A \\"remark\\"","bytes":20,"content":{"n":1.0,"by":"x"}}',
      actor: null,
      causation: id,
    };
    expect(events[at * 2]).toMatchObject(foreign);
    const commits = await other.readAll(LOG_START, { limit: 10 });
    expect(commits.map(({ count }) => count)).toEqual([2, 2].toSpliced(at, 0, 1));
    expect(commits.flatMap(unpack)).toEqual(events);
    const follower = follow(other, LOG_START, { prefixes: ['run-'], audience: 'owner' });
    await follower.untilCaughtUp();
    await follower.end();
    const given = follower.messages.flatMap((message) => (message.type === 'commits' ? message.commits : []));
    expect(given).toEqual(commits);
    expect(warned).toHaveLength(1);
    expect(warned[0]).toContain(`"revision":${at * 2},"eventType":"A \\"remark\\""`);
    // Who did not know of it conflicts once, and goes on.
    const next = { ...appendOf('a', 3, 'next'), stream: RUN };
    expect(await settled(other, next)).toEqual({ status: 'conflict', actual: 4 });
    expect(await settled(other, { ...next, expected: revision(4) })).toMatchObject({ status: 'appended', revision: 5 });
    await other.stop();
  });

  it.each([
    ['is no JSON', { data: 'not { json' }, 'null'],
    ['says that it is ours and is no JSON', { metadata: placed({ index: 0, of: 1 }), data: 'no { json' }, 'null'],
    ['is too large to show', { data: JSON.stringify('x'.repeat(70_000)) }, 'null'],
    ['has metadata of another kind', { metadata: '{"$causationId":"c","v":"1"}' }, '{"by":"somebody"}'],
    ['has metadata that is no JSON', { metadata: '{"$causationId":' }, '{"by":"somebody"}'],
    ['has a place past the end of its append', { metadata: placed({ index: 3, of: 3 }) }, '{"by":"somebody"}'],
    ['has a type that we do not write', { metadata: placed({ index: 0, of: 1 }), type: 'a"b' }, '{"by":"somebody"}'],
  ])('is one that %s', async (_, event, content) => {
    await put(RUN, event);
    const [read] = await store.readStream(RUN);
    expect(read!.type).toBe('Foreign');
    expect(JSON.parse(read!.data)).toMatchObject({ content: JSON.parse(content) as unknown });
  });

  it('is passed over in streams of others', async () => {
    await put('orders-1' as StreamName);
    await settled(store, { ...appendOf('a', NO_STREAM, 'one'), stream: RUN });
    expect(await store.readAll(LOG_START, { limit: 10 })).toMatchObject([{ stream: RUN }]);
  });

  it('keeps nothing waiting when it says that it is one of several', async () => {
    await settled(store, { ...appendOf('a', NO_STREAM, 'one'), stream: RUN });
    for (const index of [0, 2]) await put(RUN, { type: 'Noted', metadata: placed({ index, of: 3 }) });
    await settled(store, { ...appendOf('a', 2, 'two'), stream: RUN });
    const commits = await store.readAll(LOG_START, { limit: 10 });
    expect(commits.map(({ firstRevision, count }) => [firstRevision, count])).toEqual([
      [0, 1],
      [1, 1],
      [2, 1],
      [3, 1],
    ]);
    expect(commits.flatMap(unpack)).toEqual(await store.readStream(RUN));
  });
});

describe('an append in the log', () => {
  it('is given as what is left of it when the server hides its first events', async () => {
    await settled(store, appendOf('a', NO_STREAM, 'one', 'two', 'three'));
    const before = await store.readStream(stream('a'));
    await double.log.append({
      stream: `$$${stream('a')}`,
      expected: 'any',
      events: [
        {
          id: crypto.randomUUID(),
          type: '$metadata',
          contentType: 'application/json',
          metadata: Buffer.from(''),
          data: Buffer.from('{"$tb":1}'),
        },
      ],
    });
    expect(await store.readStream(stream('a'))).toEqual(before.slice(1));
    const follower = follow(store, LOG_START, { stream: stream('a') });
    await follower.untilTexts(2);
    await follower.end();
    const [commit] = follower.messages.flatMap((message) => (message.type === 'commits' ? message.commits : []));
    expect(commit).toMatchObject({ firstRevision: 1, count: 2 });
    expect(unpack(commit!)).toEqual(before.slice(1));
  });

  it('is whole for whoever reads on from any place in the log, however the server cuts what it sends', async () => {
    const streamsOf = ['a', 'b', 'c'];
    for (let round = 0; round < 8; round++)
      for (const [at, name] of streamsOf.entries()) {
        const size = 1 + ((round + at) % 4);
        const { length } = await store.readStream(stream(name));
        await settled(store, appendOf(name, length - 1, ...Array.from({ length: size }, (_, n) => `${length + n}`)));
      }
    const whole = await store.readAll(LOG_START, { limit: 1_000 });
    for (let index = 0; index < double.log.size; index++) {
      const after = double.log.positionAt(index) as Position;
      const expected = whole.filter(({ position }) => position > after);
      expect(await store.readAll(after, { limit: 1_000 })).toEqual(expected);
      const follower = follow(store, after, { prefixes: [stream('')] });
      await follower.until(() => follower.messages.some(({ type }) => type === 'caught-up'));
      await follower.end();
      expect(follower.messages.flatMap((message) => (message.type === 'commits' ? message.commits : []))).toEqual(
        expected,
      );
    }
  });
});
