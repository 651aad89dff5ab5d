import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fastify from 'fastify';
import { request, type IncomingHttpHeaders } from 'node:http';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { startTestApi, type TestApi } from '../../testing/test-api.js';
import { codingFor, compressAnswers } from './compression.js';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
});
afterAll(() => api.stop());

type Raw = { readonly status: number; readonly headers: IncomingHttpHeaders; readonly body: Buffer };
const INPUT = 'é'.repeat(5_000);
let keys = 0;

/** A client that decodes nothing. */
const call = (method: string, path: string, headers: Record<string, string> = {}, body?: string): Promise<Raw> =>
  new Promise((resolve, reject) => {
    const sent = request(`${api.url}${path}`, { method, headers, agent: false }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('end', () =>
        resolve({ status: answer.statusCode!, headers: answer.headers, body: Buffer.concat(chunks) }),
      );
    });
    sent.on('error', reject);
    sent.end(body);
  });
const start = (input: string, headers: Record<string, string>): Promise<Raw> =>
  call(
    'POST',
    '/v1/runs',
    { 'content-type': 'application/json', 'idempotency-key': `c${++keys}`, ...headers },
    JSON.stringify({ workflow: 'welcome', input }),
  );

describe('a long answer', () => {
  it.each([
    ['gzip', gunzipSync],
    ['br', brotliDecompressSync],
  ] as const)('is sent as %s to who takes that, and says so', async (coding, decoded) => {
    const plain = await start(INPUT, { prefer: 'wait=5' });
    const id = (JSON.parse(plain.body.toString()) as { id: string }).id;
    const answer = await call('GET', `/v1/runs/${id}`, { 'accept-encoding': coding });
    expect(answer.headers).toMatchObject({
      'content-encoding': coding,
      'content-length': String(answer.body.length),
      'content-type': 'application/json; charset=utf-8',
      vary: 'accept-encoding',
    });
    expect(answer.body.length).toBeLessThan(plain.body.length / 4);
    expect(decoded(answer.body).toString()).toBe(plain.body.toString());
    expect(plain.headers).toMatchObject({ vary: 'accept-encoding', 'content-length': String(plain.body.length) });
    expect(plain.headers['content-encoding']).toBeUndefined();
    const head = await call('HEAD', `/v1/runs/${id}`, { 'accept-encoding': coding });
    expect([head.headers['content-encoding'], head.headers['content-length'], head.body.length]).toEqual([
      coding,
      String(answer.body.length),
      0,
    ]);
    for (const method of ['GET', 'HEAD']) {
      const headers = { 'accept-encoding': coding, 'if-none-match': answer.headers.etag! };
      const unchanged = await call(method, `/v1/runs/${id}`, headers);
      expect([method, unchanged.status, unchanged.body.length]).toEqual([method, 304, 0]);
      const { etag, vary, ...others } = unchanged.headers;
      expect([etag, vary]).toEqual([answer.headers.etag, 'accept-encoding']);
      for (const name of ['content-length', 'content-encoding', 'content-type', 'transfer-encoding'])
        expect(others).not.toHaveProperty(name);
    }
  });

  it('is sent so to who waits for the end of a run as well', async () => {
    const { status, headers, body } = await start(INPUT, { prefer: 'wait=5', 'accept-encoding': 'gzip' });
    expect([status, headers['content-encoding']]).toEqual([200, 'gzip']);
    expect(JSON.parse(gunzipSync(body).toString())).toMatchObject({ status: 'completed', input: INPUT });
  });

  it('is not so when it is short, or a stream of events', async () => {
    const { headers, body } = await start(INPUT, { 'accept-encoding': 'gzip' });
    expect([headers['content-encoding'], headers.vary]).toEqual([undefined, undefined]);
    const { id } = JSON.parse(body.toString()) as { id: string };
    const accept = { accept: 'text/event-stream', 'accept-encoding': 'gzip' };
    const stream = await call('GET', `/v1/runs/${id}/events`, accept);
    expect(stream.headers['content-encoding']).toBeUndefined();
    expect(stream.body.toString()).toContain(INPUT);
  });
});

describe('an answer of', () => {
  it.each([
    [1_024, undefined],
    [1_025, 'gzip'],
  ])('%i characters is sent as %s', async (chars, coding) => {
    const server = fastify();
    compressAnswers(server);
    server.get('/', () => 'x'.repeat(chars));
    const { headers } = await server.inject({ url: '/', headers: { 'accept-encoding': 'gzip' } });
    expect(headers['content-encoding']).toBe(coding);
    await server.close();
  });
});

describe('codingFor', () => {
  it.each([
    [undefined, null],
    ['', null],
    ['identity', null],
    ['gzip', 'gzip'],
    ['gzip, deflate, br, zstd', 'br'],
    ['br;q=0.5, gzip', 'gzip'],
    ['br ; Q=0.5 , GZIP ; q=0.6', 'gzip'],
    ['x-gzip', 'gzip'],
    ['*', 'br'],
    ['*;q=0.1, br;q=0', 'gzip'],
    ['gzip;q=0, br;q=0.0', null],
    ['identity, gzip;q=0.9', null],
    ['identity;q=0.5, gzip;q=0.9', 'gzip'],
    ['gzip;q=0, *', 'br'],
    ['br;q=0, *', 'gzip'],
    ['*;q=0', null],
    ['gzip;q=x', null],
    ['gzip;q=2', null],
    ['deflate, zstd', null],
  ])('of %s is %s', (header, coding) => {
    expect(codingFor(header)).toBe(coding);
  });
});
