import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { Position, RecordedEvent, Revision } from '#event-store';
import { runStream } from '#event-store';
import { jsonTexts } from '../../runtime/testing/json-texts.js';
import { runEventMessage, withoutData } from './run-event-message.js';

const event = (data: string): RecordedEvent => ({
  id: '6f5b1d0c-e0a9-5c3f-9d8e-27c4b1a63f52',
  type: 'AttemptSucceeded',
  v: 1,
  stream: runStream('a'.repeat(26)),
  revision: 3 as Revision,
  position: 7 as Position,
  recordedAt: '2026-01-01T00:00:00.000Z',
  actor: null,
  causation: 'c',
  traceparent: null,
  data,
});

describe('runEventMessage', () => {
  it('bears the data to the letter, whatever numbers are in it', () => {
    fc.assert(
      fc.property(jsonTexts, ({ compact }) => {
        const text = runEventMessage(event(compact)).value!.toString();
        expect(text.endsWith(`,"data":${compact}}`)).toBe(true);
        expect(JSON.parse(text)).toMatchObject({ type: 'stepwell.run.AttemptSucceeded', revision: 3, position: '7' });
      }),
      { numRuns: 200 },
    );
  });

  it('says where the data is when it cannot bear it', () => {
    const { value, headers } = withoutData(event('{"output":1.0}'));
    const said = JSON.parse(value!.toString()) as object;
    expect(said).toMatchObject({ dataref: `/v1/runs/${'a'.repeat(26)}/events?from=3&limit=1` });
    expect(said).not.toHaveProperty('data');
    expect(headers['stepwell-truncated']).toBe('true');
  });
});
