import { describe, expect, it } from '@jest/globals';
import { shownData } from './event-text.js';

const entered = (headers: unknown, input: string): string =>
  `{"step":"a","request":{"method":"POST","url":"http://a/","headers":${JSON.stringify(headers)},"contentType":"application/json"},"input":{"constant":${input}}}`;

describe('the data of an event as it is shown', () => {
  it('has no credentials in the headers of a step, and is the same to the letter else', () => {
    const input = '{"headers":{"x-api-key":"$&"},"id":9007199254740993}';
    const data = entered({ 'x-team': 'a', 'x-api-key': 's3cr3t "$&"', cookie: 'b' }, input);
    const masked = { 'x-team': 'a', 'x-api-key': '[masked]', cookie: '[masked]' };
    expect(shownData({ type: 'StepEntered', data })).toBe(entered(masked, input));
  });

  it.each([
    ['StepEntered', entered({ 'x-team': 'a' }, '1')],
    ['StepEntered', '{"step":"a","request":null,"input":{"constant":{"headers":{"cookie":"b"}}}}'],
    ['AttemptSucceeded', '{"step":"a","output":{"headers":{"cookie":"b"}}}'],
  ])('is what the log holds where there are none: %s %s', (type, data) => {
    expect(shownData({ type, data })).toBe(data);
  });
});
