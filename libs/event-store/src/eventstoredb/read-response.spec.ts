import { describe, expect, it } from '@jest/globals';
import shared from '@eventstore/db-client/generated/shared_pb.js';
import streams from '@eventstore/db-client/generated/streams_pb.js';
import type { ReadResp } from '@eventstore/db-client/generated/streams_pb.js';
import fc from 'fast-check';
import { readResponse } from './read-response.js';

const LONG_MAX = 2n ** 63n - 1n;

const text = fc.string({ unit: 'binary', maxLength: 300 });
const long = fc.bigInt({ min: 0n, max: LONG_MAX });
const event = fc.record({
  id: fc.uuid(),
  stream: fc.string({ unit: 'binary', minLength: 1, maxLength: 40 }),
  revision: long,
  commit: long,
  metadata: text,
  data: text,
  properties: fc.dictionary(fc.oneof(fc.string(), fc.constant('type')), fc.string()),
});

const recordedOf = (given: Parameters<Parameters<typeof event.map>[0]>[0]) => {
  const recorded = new streams.ReadResp.ReadEvent.RecordedEvent();
  const id = new shared.UUID();
  id.setString(given.id);
  recorded.setId(id);
  const identifier = new shared.StreamIdentifier();
  identifier.setStreamName(Buffer.from(given.stream));
  recorded.setStreamIdentifier(identifier);
  recorded.setStreamRevision(String(given.revision));
  recorded.setPreparePosition(String(given.commit));
  recorded.setCommitPosition(String(given.commit));
  for (const [name, value] of Object.entries(given.properties)) recorded.getMetadataMap().set(name, value);
  recorded.setCustomMetadata(Buffer.from(given.metadata));
  recorded.setData(Buffer.from(given.data));
  return recorded;
};

const responseOf = (fill: (resp: ReadResp) => void) => {
  const resp = new streams.ReadResp();
  fill(resp);
  return readResponse(Buffer.from(resp.serializeBinary()));
};

describe('a response of a read', () => {
  it('has the event that the generated classes have written, whatever is in it', () => {
    fc.assert(
      fc.property(event, fc.option(event), (given, link) => {
        const read = responseOf((resp) => {
          const readEvent = new streams.ReadResp.ReadEvent();
          readEvent.setEvent(recordedOf(given));
          if (link !== null) readEvent.setLink(recordedOf(link));
          readEvent.setCommitPosition(String(given.commit));
          resp.setEvent(readEvent);
        });
        if (read.type !== 'event') throw new Error(`it is read as ${read.type}`);
        const { id, stream, metadata, data } = given;
        expect(read).toMatchObject({ id, stream, metadata, data, eventType: given.properties['type'] ?? '' });
        expect([read.revision, read.commit]).toEqual([Number(given.revision), Number(given.commit)]);
      }),
    );
  });

  it('says when the server took the event, to the millisecond', () => {
    const at = Date.parse('2026-01-02T03:04:05.678Z');
    const read = responseOf((resp) => {
      const readEvent = new streams.ReadResp.ReadEvent();
      const properties = { created: String(BigInt(at) * 10_000n + 9_999n) };
      const given = { id: '', stream: 'a', revision: 0n, commit: 0n, metadata: '', data: '', properties };
      readEvent.setEvent(recordedOf(given));
      resp.setEvent(readEvent);
    });
    expect(read).toMatchObject({ type: 'event', createdMs: at });
  });

  it('has the checkpoint to the digit', () => {
    fc.assert(
      fc.property(long, long, (commit, prepare) => {
        const read = responseOf((resp) => {
          const checkpoint = new streams.ReadResp.Checkpoint();
          checkpoint.setCommitPosition(String(commit));
          checkpoint.setPreparePosition(String(prepare));
          resp.setCheckpoint(checkpoint);
        });
        expect(read).toMatchObject({ type: 'checkpoint', commit: String(commit), prepare: String(prepare) });
      }),
    );
  });

  it.each<[string, (resp: ReadResp) => void]>([
    ['nothing', () => {}],
    ['a confirmation', (resp) => resp.setConfirmation(new streams.ReadResp.SubscriptionConfirmation())],
    ['the end of what is stored', (resp) => resp.setCaughtUp(new streams.ReadResp.CaughtUp())],
    ['no such stream', (resp) => resp.setStreamNotFound(new streams.ReadResp.StreamNotFound())],
    ['a first revision', (resp) => resp.setFirstStreamPosition('7')],
    ['a link to an event that is gone', (resp) => resp.setEvent(linkToNothing())],
  ])('is of no concern when it says: %s', (_, fill) => {
    expect(responseOf(fill)).toEqual({ type: 'other' });
  });

  it('is not taken for another when it was cut off', () => {
    const readEvent = new streams.ReadResp.ReadEvent();
    const given = {
      id: '',
      stream: 'run',
      revision: 300n,
      commit: 70_000n,
      properties: { type: 'Noted' },
    };
    readEvent.setEvent(recordedOf({ ...given, metadata: '{}', data: '[1]' }));
    const resp = new streams.ReadResp();
    resp.setEvent(readEvent);
    const whole = Buffer.from(resp.serializeBinary());
    for (let end = 1; end < whole.length; end++)
      expect(() => readResponse(whole.subarray(0, end))).toThrow('out of range');
    expect(readResponse(whole)).toMatchObject({ type: 'event', revision: 300, commit: 70_000 });
  });
});

const linkToNothing = () => {
  const readEvent = new streams.ReadResp.ReadEvent();
  readEvent.setLink(
    recordedOf({
      id: '',
      stream: '$et-x',
      revision: 1n,
      commit: 2n,
      metadata: '',
      data: '0@gone',
      properties: {},
    }),
  );
  readEvent.setNoPosition(new shared.Empty());
  return readEvent;
};
