import { request as httpRequest } from 'node:http';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import type { LedgerEntry } from './ledger.js';
import { startSampleApp, type SampleApp } from './sample-app.js';

type Answer = { readonly status: number; readonly text: string; readonly headers: NodeJS.Dict<string | string[]> };

describe('sample application', () => {
  let app: SampleApp;
  let keys = 0;

  beforeAll(async () => {
    app = await startSampleApp({ host: '127.0.0.1', port: 0, ledgerMaxEntries: 1000 });
  });
  afterAll(() => app.stop());

  const freshKey = (): string => `key-${++keys}-of-this-file`;

  const post = (path: string, body: string, key = freshKey(), attempt = 1): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const headers = {
        'content-type': 'application/json',
        'Idempotency-Key': key,
        'stepwell-run-id': 'run-1',
        'stepwell-step': 'ship',
        'stepwell-attempt': String(attempt),
      };
      const call = httpRequest(`${app.url}${path}`, { method: 'POST', headers, agent: false }, (answer) => {
        let text = '';
        answer.setEncoding('utf8');
        answer.on('data', (chunk: string) => (text += chunk));
        answer.on('end', () => resolve({ status: answer.statusCode!, text, headers: answer.headers }));
        answer.on('error', reject);
      });
      call.setTimeout(path === '/steps/black-hole' ? 100 : 5000, () => call.destroy(new Error('no answer')));
      call.on('error', reject);
      call.end(body);
    });

  const entriesOf = (key: string): readonly LedgerEntry[] =>
    app.ledger.entries().filter((entry) => entry.idempotencyKey === key);

  it('gives a created user an id that is the same for every attempt, and keeps what was sent', async () => {
    const key = freshKey();
    const first = await post('/steps/create-user', '{"name":"Ada"}', key);
    const second = await post('/steps/create-user', '{"name":"Ada"}', key, 2);
    expect(JSON.parse(first.text)).toEqual({ id: `user-${key.slice(0, 8)}`, name: 'Ada' });
    expect(second.text).toBe(first.text);
    expect(JSON.parse((await post('/steps/create-user', '{ }')).text)).toEqual({ id: expect.any(String) });
    expect(JSON.parse((await post('/steps/create-user', 'null')).text)).toEqual({ id: expect.any(String) });
  });

  it('applies an effect once a key, and counts each further request as a duplicate', async () => {
    const key = freshKey();
    await post('/steps/send-email', '{}', key, 1);
    await post('/steps/send-email', '{}', key, 2);
    expect(entriesOf(key)).toMatchObject([
      { path: '/steps/send-email', runId: 'run-1', step: 'ship', attempt: 1, status: 200, effect: 'applied' },
      { attempt: 2, status: 200, effect: 'duplicate' },
    ]);
  });

  it('fails a flaky step as often as asked for each key, without an effect', async () => {
    const key = freshKey();
    const statuses = [];
    for (let attempt = 1; attempt <= 4; attempt++)
      statuses.push((await post('/steps/flaky?failures=2', '{}', key, attempt)).status);
    expect(statuses).toEqual([503, 503, 200, 200]);
    expect(entriesOf(key).map((entry) => entry.effect)).toEqual(['none', 'none', 'applied', 'duplicate']);
  });

  it('fails any step as often as the input says', async () => {
    const key = freshKey();
    const input = '{"failing":{"send-email":1}}';
    const first = await post('/steps/send-email', input, key);
    expect(first.status).toBe(503);
    expect(JSON.parse(first.text)).toMatchObject({ error: 'Sample.Unavailable' });
    expect((await post('/steps/send-email', input, key)).status).toBe(200);
    expect((await post('/steps/send-analytics', input)).status).toBe(200);
  });

  it('refuses with a typed error', async () => {
    const refused = await post('/steps/refuse?status=409&error=Stock.Empty&cause=none+left', '{}');
    expect(refused.status).toBe(409);
    expect(JSON.parse(refused.text)).toEqual({ error: 'Stock.Empty', cause: 'none left' });
  });

  it('answers text byte for byte, and nothing where nothing is asked', async () => {
    const text = await post('/steps/text', ' "é"\r\n\t');
    expect(text).toMatchObject({ status: 200, text: ' "é"\r\n\t' });
    expect(text.headers['content-type']).toMatch(/^text\/plain/);
    expect(await post('/steps/empty', '{}')).toMatchObject({ status: 204, text: '' });
    expect(await post('/steps/accepted', '{}')).toMatchObject({ status: 202 });
  });

  it('misbehaves as asked: no answer, a drip, a reset, a huge answer, broken JSON, a redirect, a plea to wait', async () => {
    await expect(post('/steps/black-hole', '{}')).rejects.toThrow('no answer');
    await expect(post('/steps/reset', '{}')).rejects.toThrow(/ECONNRESET|hang up/);
    expect(await post('/steps/drip?bytes=2&intervalMs=5', '{}')).toMatchObject({ text: '".."' });
    expect((await post('/steps/huge?bytes=70000', '{}')).text).toHaveLength(70_002);
    const broken = await post('/steps/invalid-json', '{}');
    expect(() => JSON.parse(broken.text)).toThrow(SyntaxError);
    expect(await post('/steps/redirect', '{}')).toMatchObject({ status: 302, headers: { location: '/steps/echo' } });
    const key = freshKey();
    const wait = await post('/steps/retry-after?after=7', '{}', key);
    expect(wait).toMatchObject({ status: 503, headers: { 'retry-after': '7' } });
    expect(await post('/steps/retry-after?after=7', '{}', key, 2)).toMatchObject({ status: 200 });
  });

  it('resets only the first requests of a key when asked', async () => {
    const key = freshKey();
    await expect(post('/steps/reset?failures=1', '{}', key)).rejects.toThrow(/ECONNRESET|hang up/);
    expect(await post('/steps/reset?failures=1', '{}', key, 2)).toMatchObject({ status: 200 });
    expect(entriesOf(key)).toMatchObject([
      { status: null, effect: 'none' },
      { status: 200, effect: 'applied' },
    ]);
  });

  it('echoes headers and body', async () => {
    const echo = JSON.parse((await post('/steps/echo', '[1]', 'my-key')).text) as Record<string, unknown>;
    expect(echo).toMatchObject({ method: 'POST', body: '[1]', headers: { 'idempotency-key': 'my-key' } });
  });

  it('says so when there is no such step', async () => {
    expect((await post('/steps/constructor', '{}')).status).toBe(404);
  });

  it('keeps no entries without a ledger, and counts what did not fit into one', async () => {
    const bare = await startSampleApp({ host: '127.0.0.1', port: 0, ledgerMaxEntries: 1 });
    try {
      for (let count = 0; count < 3; count++)
        await fetch(`${bare.url}/steps/send-email`, { method: 'POST', headers: { 'idempotency-key': `k${count}` } });
      expect(bare.ledger.entries()).toHaveLength(1);
      expect(bare.ledger.summary()).toMatchObject({ requests: 3, dropped: 2 });
    } finally {
      await bare.stop();
    }
  });
});
