import { describe, expect, it } from '@jest/globals';
import { classifyAnswer, classifyFault, type Answer } from './classify.js';

const NOW_MS = Date.parse('2026-01-01T00:00:00Z');
const UNNAMED = { name: 'HTTP.422', cause: 'the application answered 422 Unprocessable Entity' };
const answer = (change: Partial<Answer>): Answer => ({
  status: 200,
  contentType: 'application/json',
  contentEncoding: '',
  retryAfter: null,
  body: Buffer.alloc(0),
  ...change,
});

const classify = (given: Answer) => classifyAnswer(given, NOW_MS, 1_024);

describe('classifyAnswer', () => {
  it.each([300, 301, 302, 304, 307, 308, 400, 401, 403, 404, 405, 406, 410, 411, 413, 414, 415, 422, 431, 451])(
    'refuses for good at %d',
    (status) => {
      expect(classify(answer({ status }))).toMatchObject({
        class: 'refused',
        retryable: false,
        error: { name: `HTTP.${status}` },
      });
    },
  );

  it.each([408, 409, 421, 423, 425, 429])('refuses for now at %d', (status) => {
    expect(classify(answer({ status }))).toMatchObject({ class: 'refused', retryable: true });
  });

  it.each([
    [500, true],
    [502, true],
    [503, true],
    [504, true],
    [507, true],
    [520, true],
    [599, true],
    [501, false],
    [505, false],
  ])('may have executed at %d, retryable: %s', (status, retryable) => {
    expect(classify(answer({ status }))).toMatchObject({ class: 'may-have-executed', retryable });
  });

  it.each([200, 201, 202, 204, 299])('succeeds at %d', (status) => {
    expect(classify(answer({ status }))).toEqual({ succeeded: true, status, output: 'null' });
  });

  it.each([
    ['{"error":"Card.Declined","cause":"no funds"}', { name: 'Card.Declined', cause: 'no funds' }],
    ['{"error":"Card.Declined","cause":{"code":5}}', { name: 'Card.Declined', cause: '{"code":5}' }],
    ['{"error":"Card.Declined"}', { name: 'Card.Declined', cause: null }],
    ['{"error":""}', UNNAMED],
    ['{"error":5}', UNNAMED],
    ['["error"]', UNNAMED],
    ['{"error":', UNNAMED],
    // The log and the views hold no half characters, and a cut must not make one.
    [`{"error":"Long","cause":"${'x'.repeat(4_095)}😀"}`, { name: 'Long', cause: `${'x'.repeat(4_095)}\ufffd` }],
  ])('takes the name and cause that the application gives: %s', (body, error) => {
    expect(classify(answer({ status: 422, body: Buffer.from(body) }))).toMatchObject({ error });
  });

  it.each([
    [302, 'the application answered 302 Found; redirects are never followed'],
    [503, 'the application answered 503 Service Unavailable'],
    [599, 'the application answered 599'],
  ])('says in words what a bare %d means', (status, cause) => {
    expect(classify(answer({ status }))).toMatchObject({ error: { name: `HTTP.${status}`, cause } });
  });

  it('keeps a text to the byte, its byte order mark too', () => {
    const body = Buffer.from('\ufeffname;été\r\n');
    const verdict = classify(answer({ contentType: 'text/csv', body }));
    expect(verdict.succeeded && Buffer.from(JSON.parse(verdict.output))).toEqual(body);
  });

  it.each([
    ['text of signs that JSON writes in six bytes', 'text/plain', '\u0001'.repeat(200)],
    ['text of more than ASCII, in all', 'text/plain', 'é'.repeat(512)],
    ['numbers that JSON writes at length', 'application/json', `[${Array(100).fill('123e18').join()}]`],
  ])('refuses what as a payload is longer than the limit, though the answer is not: %s', (_name, contentType, text) => {
    const body = Buffer.from(text);
    expect(body.length).toBeLessThanOrEqual(1_024);
    expect(classify(answer({ contentType, body }))).toMatchObject({
      class: 'may-have-executed',
      retryable: false,
      error: { name: 'Stepwell.PayloadTooLarge' },
    });
    expect(classify(answer({ contentType: 'text/plain', body: Buffer.from('é'.repeat(511)) })).succeeded).toBe(true);
  });

  it('refuses an encoding that was not asked for', () => {
    expect(classify(answer({ contentEncoding: 'gzip', body: Buffer.from('x') }))).toMatchObject({
      error: { name: 'Stepwell.InvalidAnswer' },
    });
  });
});

describe('classifyFault', () => {
  it('knows that nothing was executed only when no byte was sent', () => {
    const fault = { name: 'Stepwell.Timeout', cause: 'late', status: null } as const;
    expect(classifyFault({ ...fault, sent: false })).toMatchObject({ class: 'not-executed', retryable: true });
    expect(classifyFault({ ...fault, sent: true })).toMatchObject({ class: 'may-have-executed', retryable: true });
    expect(classifyFault({ ...fault, name: 'Stepwell.PayloadTooLarge', sent: true })).toMatchObject({
      retryable: false,
    });
  });
});
