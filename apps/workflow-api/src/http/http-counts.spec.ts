import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Log, LogFields } from '#runtime';
import { sendRaw } from '../../testing/raw-http.js';
import { startTestApi, type TestApi } from '../../testing/test-api.js';

const lines: { readonly message: string; readonly fields: LogFields | undefined }[] = [];
const keep = (message: string, fields?: LogFields): void => void lines.push({ message, fields });
const log: Log = { debug: keep, info: keep, warn: keep, error: keep, child: () => log };

let api: TestApi;
beforeAll(async () => {
  const lists = {
    listRuns: () => Promise.reject(new Error('a bug')),
    listSteps: () => Promise.reject(new Error('a bug')),
    waitFor: () => Promise.resolve(true),
  };
  api = await startTestApi({ log, lists, report: { metrics: { stepwell_shards_owned: () => 64 } } });
});
afterAll(() => api.stop());

const call = async (path: string, init: RequestInit = {}) => {
  const answer = await fetch(api.url + path, init);
  return { status: answer.status, requestId: answer.headers.get('x-request-id'), text: await answer.text() };
};
const start = (key: string, body: string, headers: Record<string, string> = {}) =>
  call('/v1/runs', {
    method: 'POST',
    body,
    headers: { 'content-type': 'application/json', 'idempotency-key': key, ...headers },
  });
const page = async (): Promise<readonly string[]> => {
  const { text } = await call('/metrics');
  return text.split('\n').filter((line) => line.startsWith('stepwell_'));
};

describe('/metrics', () => {
  it('counts answers by pattern of the route', async () => {
    await start('a', '{"workflow":"welcome"}');
    await start('b', '{"workflow":"welcome"}');
    await start('c', 'no JSON');
    await call('/v1/runs/one');
    await call('/v1/runs/two');
    await call('/nowhere/1');
    await call('/nowhere/2');
    expect([...(await page())].sort()).toEqual([
      'stepwell_http_requests_total{method="GET",route="/v1/runs/:id",status="404"} 2',
      'stepwell_http_requests_total{method="GET",route="unmatched",status="404"} 2',
      'stepwell_http_requests_total{method="POST",route="/v1/runs",status="201"} 2',
      'stepwell_http_requests_total{method="POST",route="/v1/runs",status="400"} 1',
      'stepwell_shards_owned 64',
    ]);
  });
});

describe('the id of a request', () => {
  it('comes back as the caller gave it', async () => {
    expect((await start('d', '{"workflow":"welcome"}', { 'x-request-id': 'abc-1' })).requestId).toBe('abc-1');
    expect((await call('/livez', { headers: { 'x-request-id': 'abc-2' } })).requestId).toBe('abc-2');
  });

  it('is made where none was given, or a malformed one', async () => {
    const made = expect.stringMatching(/^[0-9a-f]{16}$/);
    expect((await call('/livez', { headers: { 'x-request-id': 'a b' } })).requestId).toEqual(made);
    expect((await call('/livez', { headers: { 'x-request-id': 'a'.repeat(129) } })).requestId).toEqual(made);
    expect((await call('/livez')).requestId).not.toBe((await call('/livez')).requestId);
  });

  it('is on every answer, whoever gives it', async () => {
    const { requestId } = await start('e', '{"workflow":"welcome"}', { 'x-request-id': 'given', prefer: 'wait=2' });
    expect(requestId).toBe('given');
    const { id } = JSON.parse((await start('e', '{"workflow":"welcome"}')).text) as { id: string };
    const events = { accept: 'text/event-stream', 'x-request-id': 'given' };
    expect((await call(`/v1/runs/${id}/events`, { headers: events })).requestId).toBe('given');
    expect((await call('/docs/', { headers: { 'x-request-id': 'given' } })).requestId).toBe('given');
    for (const head of [
      'GET /v1/nowhere HTTP/1.1\r\nHost: a',
      'GET /v1/runs/%zz HTTP/1.1\r\nHost: a',
      'GET /livez HTTP/1.1',
      'POST /v1/runs HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: 1',
      'POST /v1/runs HTTP/1.1\r\nHost: a\r\nExpect: nothing',
    ]) {
      const { headers, status } = await sendRaw(api.url, [`${head}\r\nX-Request-Id: given\r\n\r\n1`]);
      expect([head, status >= 400, headers]).toEqual([head, true, expect.stringMatching(/^x-request-id: given\r?$/m)]);
    }
  });

  it('leads from the answer of a failure to its line in the log', async () => {
    lines.length = 0;
    const given = await call('/v1/runs?workflow=welcome', { headers: { 'x-request-id': 'abc-3' } });
    const made = await call('/v1/runs');
    expect([given.status, given.requestId, made.requestId]).toEqual([
      500,
      'abc-3',
      expect.stringMatching(/^[0-9a-f]{16}$/),
    ]);
    expect(lines.map(({ message, fields }) => ({ message, ...fields }))).toEqual([
      { message: 'a request failed', requestId: 'abc-3', method: 'GET', path: '/v1/runs', err: expect.any(Error) },
      {
        message: 'a request failed',
        requestId: made.requestId,
        method: 'GET',
        path: '/v1/runs',
        err: expect.any(Error),
      },
    ]);
  });
});
