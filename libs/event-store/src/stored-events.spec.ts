import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { Position, Revision, StreamName } from './event-store.js';
import { jsonTexts } from '../../runtime/testing/json-texts.js';
import { pack, recordedAtOf, storedEvents, unpack, unpackForFold } from './packed.js';

const lookalike = '{"type":"x","v":1,"data":{"a":"},{\\"type\\":\\"RunStarted\\",\\"v\\":1,\\"data\\":{}"}}';
const payload = fc.oneof(
  jsonTexts.map(({ compact }) => compact),
  fc.constant(`[${lookalike},${lookalike}]`),
  fc.constant(`{"events":[${lookalike}]}`),
);
const event = fc.record(
  { type: fc.constantFrom('RunStarted', 'Noted'), v: fc.nat(99), data: payload },
  { noNullPrototype: true },
);
const text = fc.oneof(fc.string({ unit: 'grapheme' }), fc.constant(',"events":[{"type":"x'));

describe('storedEvents', () => {
  it('gives what was appended to the letter, whatever the payloads look like', () => {
    fc.assert(
      fc.property(fc.array(event, { minLength: 1, maxLength: 6 }), text, (events, actor) => {
        const stream = 'run-00-x' as StreamName;
        const envelope = { commandId: 'c', recordedAt: '2026-01-01T00:00:00.000Z', actor, traceparent: null };
        const packed = pack({ stream, expected: -1 as Revision, events, envelope });
        const commit = { stream, firstRevision: 0 as Revision, count: events.length, position: 5 as Position, packed };
        expect(storedEvents(commit)).toEqual(events);
        expect(unpack(commit)).toMatchObject(events);
        expect(unpackForFold(commit)).toMatchObject(events);
        expect(recordedAtOf(commit)).toBe(envelope.recordedAt);
      }),
      { numRuns: 500 },
    );
  });
});
