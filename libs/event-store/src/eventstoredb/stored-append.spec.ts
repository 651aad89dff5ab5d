import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import streams from '@eventstore/db-client/generated/streams_pb.js';
import { silentLog, systemClock } from '#runtime';
import { EventStoreDbDouble } from '../../../../test/support/eventstoredb-double/eventstoredb-double.js';
import { tempFolder, type TempFolder } from '../../../../test/support/temp-folder.js';
import {
  appendOf,
  envelope,
  newScope,
  noted,
  revision,
  settled,
  stream,
  textsIn,
} from '../../testing/contract-cases.js';
import { NO_STREAM, type Append, type Audience } from '../event-store.js';
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

describe('a stream in EventStoreDB', () => {
  it('has one event an append, which says what is in it', async () => {
    const many = Array.from({ length: 256 }, (_, index) => `${index}`);
    await settled(store, appendOf('a', NO_STREAM, 'one', 'two'));
    await settled(store, appendOf('a', 1, ...many));
    expect(double.log.size).toBe(2);
    const [few, all] = [0, 1].map((index) =>
      streams.ReadResp.deserializeBinary(double.log.messageAt(index)).getEvent()!.getEvent()!,
    );
    expect(few!.getMetadataMap().get('type')).toBe('Noted+Noted');
    expect(Buffer.from(few!.getCustomMetadata_asU8()).toString()).toBe('{"stepwell":1,"revision":0,"count":2}');
    expect(Buffer.from(all!.getCustomMetadata_asU8()).toString()).toBe('{"stepwell":1,"revision":2,"count":256}');
    const [type, length] = [all!.getMetadataMap().get('type')!, all!.getMetadataMap().get('type')!.length];
    expect(type).toMatch(/^Noted(\+Noted)+\+…$/);
    expect(length).toBeLessThanOrEqual(121);
  });

  it('says in its type whom an append to a run is for, however long that is', async () => {
    const run = runStream('a'.repeat(26));
    const to = (expected: number, audience: Audience | undefined, texts: readonly string[]): Append => ({
      ...appendOf('x', expected, ...texts),
      stream: run,
      audience,
    });
    const many = Array.from({ length: 100 }, (_, index) => `${index}`);
    for (const append of [to(-1, 'owner', ['one']), to(0, 'waiting', many), to(100, undefined, ['end'])])
      await settled(store, append);
    await settled(store, appendOf('no-run', NO_STREAM, 'x'));
    const types = [0, 1, 2, 3].map((index) => double.log.typeAt(index));
    expect(types).toEqual(['Noted>00', expect.stringMatching(/^(Noted\+){20}…<00$/), 'Noted<>00', 'Noted']);
  });

  it('is read when its events were written anew by others, as JSON is', async () => {
    const again = (value: unknown): Buffer => Buffer.from(JSON.stringify(value, null, 2));
    const data = { events: [{ data: { text: 'one' }, v: 1, type: 'Noted' }], envelope: envelope() };
    for (const [metadata, text] of [
      [{ count: 1, revision: 0, stepwell: 1 }, data],
      [{ count: 1, revision: 1, stepwell: 2 }, data],
      [{ count: 1, revision: 1, stepwell: 1 }, { not: 'ours' }],
    ] as const) {
      await double.log.append({
        stream: stream('a'),
        expected: 'any',
        events: [
          {
            id: crypto.randomUUID(),
            type: 'Noted',
            contentType: 'application/json',
            metadata: again(metadata),
            data: again(text),
          },
        ],
      });
    }
    expect(await textsIn(store, 'a')).toEqual(['one']);
    // What others have put behind it is passed over too.
    expect(await settled(store, appendOf('a', NO_STREAM, 'x'))).toEqual({ status: 'conflict', actual: 0 });
  });

  it('is found past what others have put between its appends', async () => {
    const put = (metadata: string, ...texts: readonly string[]) =>
      double.log.append({
        stream: stream('a'),
        expected: 'any',
        events: [
          {
            id: crypto.randomUUID(),
            type: 'Noted',
            contentType: 'application/json',
            metadata: Buffer.from(metadata),
            data: Buffer.from(JSON.stringify({ envelope: envelope(), events: texts.map(eventOf) })),
          },
        ],
      });
    const eventOf = (text: string) => ({ type: 'Noted', v: 1, data: { text } });
    await put('{"stepwell":1,"revision":0,"count":3}', '0', '1', '2');
    await put('');
    await put('');
    await put('{"stepwell":1,"revision":3,"count":1}', '3');
    for (let from = 0; from <= 4; from++) {
      const fresh = await newStore();
      expect(await textsIn(fresh, 'a', { from: revision(from) })).toEqual(['0', '1', '2', '3'].slice(from));
      await fresh.stop();
    }
  });

  it('is found by a process that has never seen it, whatever revision is asked for', async () => {
    const appends = [3, 1, 5, 2, 2, 1, 1, 9, 1, 4];
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
    const last = await asked((fresh) => settled(fresh, appendOf('a', texts.length - 1, 'last')));
    expect(last).toMatchObject({ status: 'appended', revision: texts.length });
    await settled(store, appendOf('b', NO_STREAM, 'other'));
    const shared = envelope();
    const archive = () => asked((fresh) => fresh.archive(stream('a'), revision(texts.length), noted('stub'), shared));
    const stub = await archive();
    expect(stub).toMatchObject({ status: 'appended', revision: texts.length + 1 });
    expect(await archive()).toEqual(stub);
    expect(await asked((fresh) => textsIn(fresh, 'a', { from: revision(3) }))).toEqual(['stub']);
    const next = await asked((fresh) => settled(fresh, appendOf('a', texts.length + 1, 'next')));
    expect(next).toMatchObject({ status: 'appended', revision: texts.length + 2 });
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
