import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { jsonTexts } from '../../runtime/testing/json-texts.js';
import type { Position, RecordedEvent, Revision, StreamName } from './event-store.js';
import { eventText } from './event-text.js';

describe('eventText', () => {
  it('shows the data to the letter, whatever numbers are in it, and the rest as members of their own', () => {
    const text = fc.string({ unit: 'binary' });
    fc.assert(
      fc.property(jsonTexts, text, fc.option(text), ({ compact }, actor, traceparent) => {
        const event: RecordedEvent = {
          id: 'i',
          type: 'Noted',
          v: 1,
          stream: 'run-00-x' as StreamName,
          revision: 3 as Revision,
          position: 7 as Position,
          recordedAt: '2026-01-01T00:00:00.000Z',
          actor,
          causation: 'c',
          traceparent,
          data: compact,
        };
        const { causation: _, ...shown } = event;
        expect(eventText(event)).toContain(`,"data":${compact},"actor":`);
        const parsed = JSON.parse(eventText(event)) as object;
        expect(parsed).toEqual({ ...shown, position: '7', data: JSON.parse(compact) });
        expect(Object.keys(parsed)).toEqual(
          'id type v stream revision position recordedAt data actor traceparent'.split(' '),
        );
      }),
      { numRuns: 200 },
    );
  });
});
