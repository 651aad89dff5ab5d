import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { Append, Commit, Revision, StreamName } from './event-store.js';
import { AppendRefused } from './event-store.js';
import { envelopeOf, eventId, lastPosition, pack, unpack, unpackForFold } from './packed.js';

const envelope = { commandId: 'c-1', recordedAt: '2026-01-02T03:04:05.678Z', actor: null, traceparent: null };
const append = (data: string, extra: object = {}): Append => ({
  stream: 'run-08-x' as StreamName,
  expected: 6 as Revision,
  events: [
    { type: 'Noted', v: 1, data },
    { type: 'Ended', v: 2, data: '{}' },
  ],
  envelope: { ...envelope, ...extra },
});
const commitOf = (packed: string): Commit => ({
  stream: 'run-08-x' as StreamName,
  firstRevision: 7 as Revision,
  count: 2,
  position: lastPosition(5, 2),
  packed,
});

describe('a packed append', () => {
  it('holds the envelope once, and the texts of the events as they are', () => {
    expect(pack(append('{"b" : 1e3}'))).toBe(
      `{"envelope":${JSON.stringify(envelope)},"events":[` +
        '{"type":"Noted","v":1,"data":{"b" : 1e3}},{"type":"Ended","v":2,"data":{}}]}',
    );
  });

  it('gives its events the same ids for ever', () => {
    const ids = unpack(commitOf(pack(append('1')))).map((event) => event.id);
    expect(ids).toEqual(['c277a5af-ee55-539c-a1cd-11e2e1a6a998', '01e472e7-d293-52a5-b78a-e82ce49cf15d']);
  });

  it('names an event by RFC 9562: version 5, of whatever it is made of', () => {
    const namespace = Buffer.from('6f5b1d0ce0a94c3f9d8e27c4b1a63f52', 'hex');
    const text = fc.string({ unit: 'binary', maxLength: 600 });
    fc.assert(
      fc.property(text, fc.maxSafeNat(), text, fc.nat(255), (name, expected, commandId, ordinal) => {
        const sha1 = createHash('sha1').update(namespace).update(`${name}\n${expected}\n${commandId}\n${ordinal}`);
        const bits = BigInt(`0x${sha1.digest('hex').slice(0, 32)}`);
        const marked = (bits & ~(0xf000n << 64n) & ~(0xc000n << 48n)) | (0x5000n << 64n) | (0x8000n << 48n);
        const id = eventId(name as StreamName, expected, commandId, ordinal);
        expect(id).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
        expect(BigInt(`0x${id.replaceAll('-', '')}`)).toBe(marked);
      }),
    );
  });

  it('gives a fold what it gives everybody, but for what a fold does not ask', () => {
    const commit = commitOf(pack(append('{"a":[1]}', { traceparent: 'x' })));
    const folded = unpackForFold(commit);
    expect(unpack(commit)).toMatchObject(folded);
    expect(folded.map((event) => Object.keys(event).length)).toEqual([6, 6]);
  });

  it('shows an id wherever an event is copied or written out', () => {
    const [event] = unpack(commitOf(pack(append('1'))));
    expect(JSON.parse(JSON.stringify(event))).toEqual({ ...event });
    expect(structuredClone(event)?.id).toBe(event!.id);
  });

  it('keeps members of an envelope that this version does not know', () => {
    const stored = envelopeOf(pack(append('1', { region: 'eu', nested: { a: [1] } })));
    expect(stored).toEqual({ ...envelope, region: 'eu', nested: { a: [1] } });
    expect(envelopeOf(pack({ ...append('2'), envelope: stored }))).toEqual(stored);
  });

  it('refuses text that has no UTF-8 form', () => {
    expect(() => pack(append('"\ud800"'))).toThrow(AppendRefused);
    expect(() => pack(append('"\\ud800"'))).not.toThrow();
  });
});
