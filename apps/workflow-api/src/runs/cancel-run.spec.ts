import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { startTestApi, type TestApi } from '../../testing/test-api.js';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
});
afterAll(() => api.stop());
beforeEach(() => api.owner.held.clear());

const start = async (headers: Record<string, string> = {}): Promise<any> => {
  const response = await fetch(`${api.url}/v1/runs`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'idempotency-key': randomUUID(), ...headers },
    body: JSON.stringify({ workflow: 'welcome' }),
  });
  return response.json();
};

describe('POST /v1/runs/{id}/cancel', () => {
  const cancel = async (id: string, body?: string) => {
    const response = await fetch(`${api.url}/v1/runs/${id}/cancel`, {
      method: 'POST',
      ...(body === undefined ? {} : { body, headers: { 'content-type': 'application/json' } }),
    });
    return {
      status: response.status,
      position: response.headers.get('stepwell-position'),
      json: (await response.json()) as any,
    };
  };

  const cancelWith = async (id: string, headers: Record<string, string>) => {
    const response = await fetch(`${api.url}/v1/runs/${id}/cancel`, { method: 'POST', headers });
    return { status: response.status, etag: response.headers.get('etag'), json: (await response.json()) as any };
  };

  it('cancels with a reason; again it changes nothing', async () => {
    api.owner.held.add('create-user');
    const { id } = await start();
    const first = await cancel(id, '{"reason":"no longer needed"}');
    expect(first).toMatchObject({
      status: 200,
      json: { status: 'cancelled', reason: 'no longer needed', resolved: true },
    });
    const second = await cancel(id, '{"reason":"once more"}');
    expect(second.json).toEqual(first.json);
    expect(second.position).toBe(first.position);
  });

  it('cancels only what is as the caller has seen it, where If-Match says so', async () => {
    api.owner.held.add('create-user');
    const { id } = await start();
    const path = `${api.url}/v1/runs/${id}`;
    const seen = (await fetch(`${path}?view=slim`)).headers.get('etag')!;
    const cancelIf = (ifMatch: string) => cancelWith(id, { 'if-match': ifMatch });
    const moved = seen.replace(/\d+/, (revision) => String(Number(revision) - 1));
    for (const other of [moved, `W/${seen}`, '"x"']) {
      const refused = await cancelIf(other);
      expect(refused).toMatchObject({ status: 412, json: { code: 'precondition-failed' } });
      expect(refused.etag).toBe((await fetch(path)).headers.get('etag'));
    }
    expect((await cancelIf('no quotes')).status).toBe(400);
    expect((await (await fetch(path)).json()) as any).toMatchObject({ status: 'running' });
    expect(await cancelIf(`${moved}, ${seen}`)).toMatchObject({ status: 200, json: { status: 'cancelled' } });
    // It has moved on by that, and is the same for who wants it as it is.
    expect((await cancelIf(seen)).status).toBe(412);
    expect((await cancelIf('*')).status).toBe(200);
  });

  it('is honoured with If-None-Match as well, beside If-Match and without', async () => {
    api.owner.held.add('create-user');
    const { id } = await start();
    const seen = (await fetch(`${api.url}/v1/runs/${id}`)).headers.get('etag')!;
    const moved = seen.replace(/\d+/, (revision) => String(Number(revision) - 1));
    for (const ifNoneMatch of ['*', seen, `W/${seen}`, `${moved}, ${seen}`]) {
      const refused = await cancelWith(id, { 'if-none-match': ifNoneMatch });
      expect(refused).toMatchObject({ status: 412, etag: seen, json: { code: 'precondition-failed' } });
    }
    expect((await cancelWith(id, { 'if-match': seen, 'if-none-match': seen })).status).toBe(412);
    expect((await cancelWith(id, { 'if-none-match': 'no quotes' })).status).toBe(400);
    expect((await cancelWith(id, { 'if-match': seen, 'if-none-match': moved })).status).toBe(200);
  });

  it('gives at a refusal the tag that a read gives, what its steps wait for in it', async () => {
    api.owner.grants = false;
    try {
      const { id } = await start();
      const read = await fetch(`${api.url}/v1/runs/${id}`);
      expect(await read.json()).toMatchObject({ waiting: [{ for: 'slots' }] });
      expect((await cancelWith(id, { 'if-match': '"x"' })).etag).toBe(read.headers.get('etag'));
    } finally {
      api.owner.grants = true;
    }
  });

  it('is refused once the run has ended otherwise', async () => {
    const { id } = await start({ prefer: 'wait=5' });
    expect(await cancel(id)).toMatchObject({ status: 409, json: { code: 'run-ended' } });
    const asSeen = { method: 'POST', headers: { 'if-match': '"0-full"' } };
    expect((await fetch(`${api.url}/v1/runs/${id}/cancel`, asSeen)).status).toBe(409);
  });

  it.each(['{"reason":1}', '{"why":"x"}', '[]', '"x"', '{'])('refuses %s', async (body) => {
    api.owner.held.add('create-user');
    const { id } = await start();
    expect((await cancel(id, body)).status).toBe(400);
  });
});
