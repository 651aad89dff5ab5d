import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { sendRaw } from '../../testing/raw-http.js';
import { startTestApi, type TestApi } from '../../testing/test-api.js';
import { ApiAdapter } from './api-adapter.js';
import { readBody } from './request-body.js';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
});
afterAll(() => api.stop());

const HOST = 'Host: localhost\r\n';
const START = `POST /v1/runs HTTP/1.1\r\n${HOST}Idempotency-Key: k\r\n`;
const CANCEL = `POST /v1/runs/${'a'.repeat(26)}/cancel HTTP/1.1\r\n${HOST}`;
const bodied = (head: string, type: string | null, body: string | Buffer): (string | Buffer)[] => [
  `${head}${type === null ? '' : `Content-Type: ${type}\r\n`}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n`,
  body,
];

const BODY = '{"workflow":"welcome"}';

describe('the HTTP edge', () => {
  it.each<[string, (string | Buffer)[], number, string]>([
    ['text', bodied(START, 'text/plain', BODY), 415, 'unsupported-media-type'],
    ['a form', bodied(START, 'application/x-www-form-urlencoded', 'a=1'), 415, 'unsupported-media-type'],
    ['XML', bodied(START, 'application/xml', '<a/>'), 415, 'unsupported-media-type'],
    ['YAML for a start', bodied(START, 'application/yaml', 'workflow: welcome'), 415, 'unsupported-media-type'],
    ['no content type', bodied(START, null, BODY), 415, 'unsupported-media-type'],
    ['a content type that is none', bodied(START, ';;', BODY), 415, 'unsupported-media-type'],
    ['UTF-16', bodied(START, 'application/json; charset=utf-16', BODY), 415, 'unsupported-media-type'],
    [
      'two content types, joined',
      bodied(START, 'application/json,application/json', BODY),
      415,
      'unsupported-media-type',
    ],
    [
      'a compressed body',
      bodied(`${START}Content-Encoding: gzip\r\n`, 'application/json', BODY),
      415,
      'unsupported-media-type',
    ],
    ['text where the framework answers', bodied(CANCEL, 'text/plain', 'x'), 415, 'unsupported-media-type'],
    ['no content type where the framework answers', bodied(CANCEL, null, 'x'), 415, 'unsupported-media-type'],
    ['a malformed content type where the framework answers', bodied(CANCEL, ';;', 'x'), 415, 'unsupported-media-type'],
    [
      'a compressed body where the framework answers',
      bodied(`${CANCEL}Content-Encoding: br\r\n`, 'application/json', '{}'),
      415,
      'unsupported-media-type',
    ],
    [
      'bytes that are not UTF-8',
      bodied(START, 'application/json', Buffer.from([0x22, 0xff, 0x22])),
      400,
      'invalid-encoding',
    ],
    ['two byte order marks', bodied(START, 'application/json', `\ufeff\ufeff${BODY}`), 400, 'malformed-json'],
    ['bytes of UTF-16', bodied(START, 'application/json', Buffer.from(BODY, 'utf16le')), 400, 'invalid-encoding'],
    [
      'a key sent twice',
      bodied(`${START}Idempotency-Key: k\r\n`, 'application/json', BODY),
      400,
      'idempotency-key-invalid',
    ],
    [
      'a parameter of a start',
      bodied(START.replace('/v1/runs', '/v1/runs?wait=5'), 'application/json', BODY),
      400,
      'validation-failed',
    ],
    ['a wrong method', [`PUT /v1/runs HTTP/1.1\r\n${HOST}Content-Length: 0\r\n\r\n`], 405, 'method-not-allowed'],
    ['PATCH of a run', [`PATCH /v1/runs/x HTTP/1.1\r\n${HOST}Content-Length: 0\r\n\r\n`], 405, 'method-not-allowed'],
    [
      'a wrong method with a body of any type',
      bodied(`DELETE /v1/runs HTTP/1.1\r\n${HOST}`, 'text/plain', 'x'),
      405,
      'method-not-allowed',
    ],
    ['TRACE', [`TRACE /v1/runs HTTP/1.1\r\n${HOST}\r\n`], 405, 'method-not-allowed'],
    ['OPTIONS', [`OPTIONS /v1/runs HTTP/1.1\r\n${HOST}\r\n`], 405, 'method-not-allowed'],
    ['CONNECT', [`CONNECT localhost:1 HTTP/1.1\r\n${HOST}\r\n`], 405, 'method-not-allowed'],
    ['an unknown route', [`GET /v2/runs HTTP/1.1\r\n${HOST}\r\n`], 404, 'route-not-found'],
    [
      'an unknown route with a body of any type',
      bodied(`POST /nope HTTP/1.1\r\n${HOST}`, 'text/plain', 'x'),
      404,
      'route-not-found',
    ],
    ['a trailing slash', [`GET /v1/runs/ HTTP/1.1\r\n${HOST}\r\n`], 404, 'route-not-found'],
    ['a percent sign without a code', [`GET /v1/runs/%zz HTTP/1.1\r\n${HOST}\r\n`], 400, 'bad-request'],
    ['NUL in the path', [`GET /v1/runs/a%00b HTTP/1.1\r\n${HOST}\r\n`], 404, 'run-not-found'],
    ['a slash in an id', [`GET /v1/runs/a%2Fb HTTP/1.1\r\n${HOST}\r\n`], 404, 'run-not-found'],
    ['bytes that are not UTF-8 in the path', [`GET /v1/runs/%ff%fe HTTP/1.1\r\n${HOST}\r\n`], 400, 'bad-request'],
    ['a long id', [`GET /v1/runs/${'a'.repeat(2_000)} HTTP/1.1\r\n${HOST}\r\n`], 404, 'run-not-found'],
    ['an id past every limit', [`GET /v1/runs/${'a'.repeat(5_000)} HTTP/1.1\r\n${HOST}\r\n`], 414, 'uri-too-long'],
    ['NUL in a parameter', [`GET /v1/runs?key=a%00b HTTP/1.1\r\n${HOST}\r\n`], 400, 'validation-failed'],
    ['__proto__ as parameter', [`GET /v1/runs?__proto__=1 HTTP/1.1\r\n${HOST}\r\n`], 400, 'validation-failed'],
    ['headers of 20 kB', [`GET /livez HTTP/1.1\r\n${HOST}X: ${'x'.repeat(20_000)}\r\n\r\n`], 431, 'header-too-large'],
    ['an address of 20 kB', [`GET /${'x'.repeat(20_000)} HTTP/1.1\r\n${HOST}\r\n`], 431, 'header-too-large'],
    ['no Host', ['GET /livez HTTP/1.1\r\n\r\n'], 400, 'bad-request'],
    ['two Hosts', ['GET /livez HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n'], 400, 'bad-request'],
    [
      'two content types',
      bodied(START, 'application/json\r\nContent-Type: text/plain', BODY),
      415,
      'unsupported-media-type',
    ],
    ['a bad Host', ['GET /livez HTTP/1.1\r\nHost: a b/c\r\n\r\n'], 400, 'bad-request'],
    ['a method that is none', [`G?T / HTTP/1.1\r\n${HOST}\r\n`], 400, 'bad-request'],
    ['a version that is none', [`GET / HTTP/9.9\r\n${HOST}\r\n`], 400, 'bad-request'],
    [
      'Transfer-Encoding with Content-Length',
      [`${START}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
      400,
      'bad-request',
    ],
    ['two Content-Lengths', [`${START}Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc`], 400, 'bad-request'],
    ['an unknown expectation', [`${START}Expect: miracles\r\nContent-Length: 0\r\n\r\n`], 417, 'expectation-failed'],
    [
      'a chunk size that is none',
      [`${START}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n`],
      400,
      'bad-request',
    ],
  ])('answers %s with a problem', async (_name, parts, status, code) => {
    const answer = await sendRaw(api.url, parts);
    expect([answer.status, answer.headers.includes('content-type: application/problem+json')]).toEqual([status, true]);
    expect(JSON.parse(answer.body)).toEqual({
      type: `/problems/${code}`,
      title: expect.any(String),
      status,
      detail: expect.any(String),
      code,
      errors: expect.any(Array),
    });
    if (status === 405) expect(answer.headers).toMatch(/^allow: [a-z, ]+$/m);
    if (status === 415) expect(answer.headers).toMatch(/^accept: application\/json/m);
    const help = await fetch(`${api.url}${JSON.parse(answer.body).type}`);
    expect(help.status).toBe(200);
  });

  it('names in Allow what the path takes', async () => {
    const answer = await sendRaw(api.url, [`DELETE /v1/runs HTTP/1.1\r\n${HOST}\r\n`]);
    expect(answer.headers).toContain('allow: get, head, post\r\n');
  });

  it.each([
    [
      'a declared length',
      [`${START}Content-Type: application/json\r\nContent-Length: 3000000\r\n\r\n`, Buffer.alloc(3_000_000, 0x20)],
    ],
    [
      'chunks',
      [
        `${START}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n2DC6C0\r\n`,
        Buffer.alloc(3_000_000, 0x20),
        '\r\n0\r\n\r\n',
      ],
    ],
    [
      'no end, where the framework answers',
      [`${CANCEL}Content-Type: application/json\r\nContent-Length: 90000000\r\n\r\n`, Buffer.alloc(3_000_000, 0x20)],
    ],
  ])('answers a body past the limit with 413 and closes the connection: %s', async (_name, parts) => {
    const answer = await sendRaw(api.url, parts, { quietMs: 2_000 });
    expect([answer.status, JSON.parse(answer.body).code, answer.closed]).toEqual([413, 'payload-too-large', true]);
    expect(answer.headers).toContain('connection: close');
  });

  it('takes UTF-8 by its other spellings, and a body in chunks', async () => {
    const answer = await sendRaw(api.url, [
      `${START}Content-Type: Application/JSON; Charset="UTF-8"\r\nTransfer-Encoding: chunked\r\n\r\n`,
      '5\r\n{"wor\r\n',
      '11\r\nkflow":"welcome"}\r\n0\r\n\r\n',
    ]);
    expect(answer.status).toBe(201);
  });

  it.each([
    ['of no type', ''],
    ['of another type', 'Content-Type: text/plain\r\n'],
    ['compressed', 'Content-Type: application/json\r\nContent-Encoding: br\r\n'],
  ])('passes over a body where none is taken: %s', async (_, headers) => {
    for (const method of ['DELETE', 'GET']) {
      const head = `${method} /v1/workflows/nobody/draft HTTP/1.1\r\n${HOST}${headers}Content-Length: 3\r\n\r\n`;
      const answer = await sendRaw(api.url, [`${head}abc`]);
      expect([answer.status, JSON.parse(answer.body).code, answer.closed]).toEqual([404, 'workflow-not-found', false]);
    }
  });

  it.each(['NONSENSE\r\n\r\n', `GET / HTTP/1.1\r\n${HOST}X: ${'x'.repeat(20_000)}\r\n\r\n`])(
    'gives also what cannot be read as HTTP an id, to ask after it',
    async (text) => {
      expect((await sendRaw(api.url, [text])).headers).toMatch(/\r\nx-request-id: [0-9a-f]{16}\r\n/);
    },
  );

  it('answers HEAD as GET without a body', async () => {
    const response = await fetch(`${api.url}/v1/node`, { method: 'HEAD' });
    expect([response.status, await response.text()]).toEqual([200, '']);
    expect(Number(response.headers.get('content-length'))).toBeGreaterThan(10);
  });

  it('ignores a malformed traceparent and keeps a good one', async () => {
    const send = async (key: string, traceparent: string) => {
      const headers = { 'content-type': 'application/json', 'idempotency-key': key, traceparent };
      const started = (await (
        await fetch(`${api.url}/v1/runs`, { method: 'POST', headers, body: BODY })
      ).json()) as any;
      const events = (await (await fetch(`${api.url}/v1/runs/${started.id}/events`)).json()) as any;
      return events.items[0].traceparent;
    };
    const good = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    expect(await send('trace-1', good)).toBe(good);
    expect(await send('trace-2', '00-zz')).toBeNull();
  });
});

describe('a content type', () => {
  it.each([
    'Application/JSON',
    'application/json ; charset=UTF-8',
    'application/json;charset="utf-8"',
    'application/json; profile="a;charset=latin1"; charset=utf-8',
  ])('is read as it is written: %s', async (type) => {
    const head = `POST /v1/runs HTTP/1.1\r\n${HOST}Idempotency-Key: ${encodeURIComponent(type)}\r\nConnection: close\r\n`;
    expect((await sendRaw(api.url, bodied(`${head}Content-Encoding: identity, identity\r\n`, type, BODY))).status).toBe(
      201,
    );
  });
});

describe('a server that stood still', () => {
  it('takes what was sent meanwhile, and goes on cutting off what is slow', async () => {
    const adapter = new ApiAdapter({ bodyMaxBytes: 1_000, headerTimeoutMs: 150, requestTimeoutMs: 300 });
    await adapter.getInstance().listen({ port: 0, host: '127.0.0.1' });
    const server = adapter.getHttpServer();
    const { port } = server.address() as { port: number };
    const taken = once(server, 'connection');
    const client = connect(port, '127.0.0.1');
    await taken;
    client.write(`GET /nothing HTTP/1.1\r\n${HOST}\r\n`);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 600);
    const [answer] = (await once(client, 'data')) as [Buffer];
    expect(String(answer)).toMatch(/^HTTP\/1.1 404 /);
    client.write('GET /nothing HTTP/1.1\r\n');
    const [slow] = (await once(client, 'data')) as [Buffer];
    expect(String(slow)).toMatch(/^HTTP\/1.1 408 /);
    client.destroy();
    await adapter.close();
  });
});

describe('a slow client', () => {
  it.each([
    ['headers that never end', 'POST /v1/runs HTTP/1.1\r\nHost: a\r\n'],
    ['a body that never ends', `${START}Content-Type: application/json\r\nContent-Length: 10\r\n\r\n{`],
  ])('is cut off with 408: %s', async (_name, part) => {
    const adapter = new ApiAdapter({ bodyMaxBytes: 1_000, headerTimeoutMs: 150, requestTimeoutMs: 300 });
    adapter.post('/v1/runs', () => ({}));
    await adapter.getInstance().listen({ port: 0, host: '127.0.0.1' });
    const { port } = adapter.getHttpServer().address() as { port: number };
    const answer = await sendRaw(`http://127.0.0.1:${port}`, [part]);
    expect([answer.status, answer.closed]).toEqual([408, true]);
    expect(JSON.parse(answer.body).code).toBe('request-timeout');
    await adapter.close();
  });
});

describe('readBody', () => {
  it('answers a body that says to be past the limit, though little of it comes', async () => {
    const seen: unknown[] = [];
    const server = createServer((request, response) => {
      readBody(request, 1_000, (body) => {
        seen.push(body);
        response.writeHead(413, { connection: 'close' });
        response.end('too large');
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    const answer = await sendRaw(
      `http://127.0.0.1:${port}`,
      [`POST / HTTP/1.1\r\n${HOST}Content-Length: 999999999\r\n\r\n`, Buffer.alloc(10)],
      { quietMs: 2_500 },
    );
    expect(answer.status).toBe(413);
    expect(seen).toEqual([expect.objectContaining({ code: 'payload-too-large' })]);
    await new Promise((resolve) => server.close(resolve));
  });
});
