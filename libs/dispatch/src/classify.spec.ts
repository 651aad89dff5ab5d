import { describe, expect, it } from '@jest/globals';
import { classifyAnswer, classifyFault, type Answer, type Verdict } from './classify.js';

const NOW_MS = Date.parse('2026-01-01T00:00:00Z');
const answer = (change: Partial<Answer>): Answer => ({
  status: 200,
  contentType: 'application/json',
  contentEncoding: '',
  retryAfter: null,
  body: Buffer.alloc(0),
  ...change,
});

const classify = (given: Answer) => classifyAnswer(given, NOW_MS, 1_024);

const outputOf = (change: Partial<Answer>): string => {
  const verdict = classify(answer(change));
  return verdict.succeeded ? verdict.output : `${verdict.error.name}: ${verdict.error.cause}`;
};

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
    [999, true],
    [501, false],
    [505, false],
  ])('may have executed at %d, retryable: %s', (status, retryable) => {
    expect(classify(answer({ status }))).toMatchObject({ class: 'may-have-executed', retryable });
  });

  it.each([200, 201, 202, 204, 299])('succeeds at %d', (status) => {
    expect(classify(answer({ status }))).toEqual({ succeeded: true, status, output: 'null' });
  });

  it('hears Retry-After of whatever failed', () => {
    expect(classify(answer({ status: 429, retryAfter: '90' }))).toMatchObject({ retryAfterMs: 90_000 });
  });

  it.each([
    ['text of signs that JSON writes in six bytes', 'text/plain', '\u0001'.repeat(200)],
    ['text of more than ASCII, in all', 'text/plain', 'é'.repeat(512)],
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
});

describe('the body of a result', () => {
  it('is kept to the byte when it is text, its byte order mark too', () => {
    const body = Buffer.from('\ufeffname;été\r\n');
    expect(Buffer.from(JSON.parse(outputOf({ contentType: 'text/csv', body })) as string)).toEqual(body);
  });

  it.each([
    ['text/plain; charset=utf-8', Buffer.from('été'), '"été"'],
    ['text/plain; charset=UTF8', Buffer.from('été'), '"été"'],
    ['text/plain; charset=iso-8859-1', Buffer.from('été', 'latin1'), '"été"'],
    ['text/plain; format=flowed; charset="ISO-8859-1"', Buffer.from('été', 'latin1'), '"été"'],
    ['text/plain;charset = latin1', Buffer.from('été', 'latin1'), '"été"'],
    ['text/plain; charset=utf-16le', Buffer.from('été', 'utf16le'), '"été"'],
    ['text/plain; charset=utf-16', Buffer.from('\ufeffété', 'utf16le'), '"été"'],
    ['text/plain; charset=utf-16', Buffer.from('\ufeffété', 'utf16le').swap16(), '"été"'],
    ['text/plain; charset=utf-16be', Buffer.from('été', 'utf16le').swap16(), '"été"'],
    ['text/plain; charset=shift_jis', Buffer.from([0x93, 0xfa, 0x96, 0x7b]), '"日本"'],
    ['application/xml; charset=iso-8859-1', Buffer.from('<é/>', 'latin1'), '"<é/>"'],
  ])('is read in the charset of its content type: %s', (contentType, body, output) => {
    expect(outputOf({ contentType, body })).toBe(output);
  });

  it('is refused by name in a charset that nobody knows, and when it is not what it says', () => {
    const named = (contentType: string, body: Buffer) => outputOf({ contentType, body });
    expect(named('text/plain; charset=klingon-1', Buffer.from('x'))).toBe(
      'Stepwell.InvalidAnswer: the answer is text in klingon-1, which is no known charset',
    );
    expect(named('text/plain', Buffer.from([0xff, 0xfe]))).toBe(
      'Stepwell.InvalidAnswer: the answer (text/plain) is not text in utf-8',
    );
    expect(named('', Buffer.from([0xff]))).toContain('(no content type) is not text in utf-8');
    expect(named('text/plain; charset=utf-16le', Buffer.from([0x00, 0xd8]))).toContain('is not text in utf-16le');
  });

  it('may hold no NUL, which could go no further', () => {
    const { error, ...verdict } = classify(answer({ contentType: 'text/plain', body: Buffer.from('a\0b') })) as Failure;
    expect(error).toEqual({
      name: 'Stepwell.InvalidAnswer',
      cause: 'the answer holds a NUL character, which no payload may hold',
    });
    expect(verdict).toMatchObject({ class: 'may-have-executed', retryable: false, body: 'a\ufffdb' });
    expect(outputOf({ body: Buffer.from('"a\\u0000b"') })).toContain('Stepwell.InvalidAnswer');
  });

  it.each([
    ['a text', 200, 'text/plain; charset=utf-8', '""'],
    ['a page', 200, 'text/html', '""'],
    ['JSON', 200, 'application/json', 'null'],
    ['no type', 200, '', 'null'],
    ['bytes', 200, 'application/octet-stream', 'null'],
    ['no content, whatever its type', 204, 'text/plain', 'null'],
    ['reset content', 205, 'text/plain', 'null'],
  ])('that is empty is the empty text or null: %s', (_name, status, contentType, output) => {
    expect(outputOf({ status, contentType })).toBe(output);
  });

  it('may begin with a byte order mark before JSON', () => {
    expect(outputOf({ body: Buffer.from('\ufeff{"a":1}') })).toBe('{"a":1}');
  });

  it('has the numbers of JSON as they were sent', () => {
    const body = Buffer.from('[1e18, 9007199254740993.0, 12345678901234567890]');
    expect(outputOf({ body })).toBe('[1e18,9007199254740993.0,12345678901234567890]');
  });

  it.each(['gzip', 'br', 'GZIP', 'identity, gzip', 'x-gzip'])('is not decoded: %s is refused by name', (encoding) => {
    const verdict = classify(answer({ contentEncoding: encoding, body: Buffer.from('x') }));
    expect(verdict).toMatchObject({
      class: 'may-have-executed',
      error: {
        name: 'Stepwell.InvalidAnswer',
        cause: expect.stringContaining(`encoded as ${encoding.split(' ').at(-1)}`),
      },
    });
  });

  it.each(['identity', 'Identity', ' identity ', ',', 'identity,identity', ''])(
    'is not encoded by a list of nothing but identity: "%s"',
    (contentEncoding) => {
      expect(outputOf({ contentEncoding, body: Buffer.from('1') })).toBe('1');
    },
  );

  it.each([
    [204, 'gzip', 'application/json'],
    [200, 'gzip', 'application/json'],
    [202, 'br', ''],
  ])('is not encoded when there is none: %d, %s', (status, contentEncoding, contentType) => {
    expect(outputOf({ status, contentEncoding, contentType })).toBe('null');
  });
});

type Failure = Extract<Verdict, { succeeded: false }>;

const failed = (status: number, contentType: string, body: string | Buffer, contentEncoding = ''): Failure =>
  classify(answer({ status, contentType, contentEncoding, body: Buffer.from(body) })) as Failure;

describe('the error of an answer that failed', () => {
  const BARE = { name: 'HTTP.422', cause: 'the application answered 422 Unprocessable Entity' };
  const http = (cause: string) => ({ name: 'HTTP.422', cause });

  it.each([
    ['{"error":"Card.Declined","cause":"no funds"}', { name: 'Card.Declined', cause: 'no funds' }],
    ['{"error":"Card.Declined","cause":{"code":5}}', { name: 'Card.Declined', cause: '{"code":5}' }],
    ['{"error":"Card.Declined"}', { name: 'Card.Declined', cause: null }],
    ['\ufeff{"error":"Card.Declined"}', { name: 'Card.Declined', cause: null }],
    ['{"error":"Card declined","message":"no funds"}', { name: 'Card declined', cause: 'no funds' }],
    ['{"error":"日本","cause":null}', { name: '日本', cause: null }],
    [`{"error":"${'n'.repeat(255)}"}`, { name: 'n'.repeat(255), cause: null }],
    ['{"type":"about:blank","title":"Conflict","status":422,"detail":"stock is 0"}', http('Conflict: stock is 0')],
    ['{"title":"Conflict"}', http('Conflict')],
    ['{"detail":"stock is 0","message":"x"}', http('stock is 0')],
    ['{"message":"stock is 0"}', http('stock is 0')],
    ['{"error":{"code":"card_declined","message":"no funds"}}', http('no funds')],
    ['{"error":{"code":7}}', http('{"code":7}')],
    ['{"error":{"id":12345678901234567890}}', http('{"id":12345678901234567890}')],
    ['{"error":"X","cause":{"id":12345678901234567890}}', { name: 'X', cause: '{"id":12345678901234567890}' }],
    ['{"error":"X","cause":1e18}', { name: 'X', cause: '1e18' }],
    ['{"error":"X","cause":"","message":"no funds"}', { name: 'X', cause: 'no funds' }],
    ['"no funds"', http('no funds')],
    ['{"error":" Card.Declined\\n"}', { name: 'Card.Declined', cause: null }],
    ['{"error":""}', BARE],
    ['{"error":5}', BARE],
    ['{"message":7}', BARE],
    ['{"message":" "}', BARE],
    ['["error"]', BARE],
    ['null', BARE],
    ['', BARE],
    ['{"error":', BARE],
    // The log and the views hold no half characters, and a cut must not make one.
    [`{"error":"Long","cause":"${'x'.repeat(4_095)}😀"}`, { name: 'Long', cause: `${'x'.repeat(4_095)}\ufffd` }],
  ])('is what the application says: %s', (body, error) => {
    expect(failed(422, 'application/json', body).error).toEqual(error);
    expect(failed(422, 'application/problem+json; charset=utf-8', body).error).toEqual(error);
  });

  it.each([
    ['a name of ours', 'Stepwell.Timeout'],
    ['a name by status', 'HTTP.200'],
    ['a name of more than 255 characters', 'n'.repeat(256)],
    ['a name with a line end', 'Card\nDeclined'],
    ['a name with an escape', 'Card\u001b[31mDeclined'],
    ['a name that turns the text round', 'Card\u202eDeclined'],
  ])('is never %s, which says why instead', (_name, error) => {
    expect(failed(500, 'application/json', JSON.stringify({ error })).error).toEqual({
      name: 'HTTP.500',
      cause: error,
    });
    expect(failed(500, 'application/json', JSON.stringify({ error, cause: 'no funds' })).error).toEqual({
      name: 'HTTP.500',
      cause: `${error}: no funds`,
    });
  });

  it.each([
    ['text/plain', '\r\n  out of stock\nsecond line', 'out of stock'],
    ['', 'out of stock', 'out of stock'],
    ['text/plain; charset=iso-8859-1', Buffer.from('épuisé', 'latin1'), 'épuisé'],
    ['text/html', '<!DOCTYPE html><html><head><title>502\n Bad Gateway</title></head>', '502 Bad Gateway'],
    ['', '<html><body>oops</body></html>', BARE.cause],
    ['text/html', '<h1>oops</h1>', BARE.cause],
    ['application/xml', '<error>oops</error>', BARE.cause],
    ['image/png', '\u0089PNG', BARE.cause],
    ['text/plain', ' \n ', BARE.cause],
  ])('says the first line of a text, the title of a page: %s', (contentType, body, cause) => {
    expect(failed(422, contentType, body).error).toEqual({ name: 'HTTP.422', cause });
  });

  it('says that it cannot read what is encoded', () => {
    expect(failed(503, 'text/plain', 'x', 'gzip').error).toEqual({
      name: 'HTTP.503',
      cause: 'the application answered 503 Service Unavailable, encoded as gzip',
    });
  });

  it.each([
    [302, 'the application answered 302 Found; redirects are never followed'],
    [503, 'the application answered 503 Service Unavailable'],
    [599, 'the application answered 599'],
  ])('says in words what a bare %d means', (status, cause) => {
    expect(classify(answer({ status }))).toMatchObject({ error: { name: `HTTP.${status}`, cause }, body: null });
  });
});

describe('what stays of an answer that failed', () => {
  it.each([
    ['JSON', 'application/json', '{ "error": "x" }\n', '{ "error": "x" }\n'],
    ['a page', 'text/html', '<p>é</p>', '<p>é</p>'],
    ['text in another charset', 'text/plain; charset=latin1', Buffer.from('é', 'latin1'), 'é'],
    ['text in no charset', 'text/plain; charset=klingon', 'é', 'é'],
    ['what is no text', 'image/png', Buffer.from([0x89, 0x50, 0x00]), '\ufffdP\ufffd'],
    ['4 KiB of more', 'text/plain', 'x'.repeat(5_000), 'x'.repeat(4_096)],
    ['no half character', 'text/plain', `${'x'.repeat(4_095)}é`, 'x'.repeat(4_095)],
  ])('is its beginning, as text: %s', (_name, contentType, body, kept) => {
    expect(failed(503, contentType, body).body).toBe(kept);
  });

  it('is there too when a result could not be taken', () => {
    expect(failed(200, 'application/json', '{"a":').body).toBe('{"a":');
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
