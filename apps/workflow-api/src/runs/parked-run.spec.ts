import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { runStream } from '#event-store';
import { startTestApi, type TestApi } from '../../testing/test-api.js';
import { startRunId } from './run-id.js';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
});
afterAll(() => api.stop());

const call = async (method: string, path: string, body?: string, headers: Record<string, string> = {}) => {
  const response = await fetch(`${api.url}${path}`, {
    method,
    headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
    ...(body === undefined ? {} : { body }),
  });
  return { status: response.status, etag: response.headers.get('etag'), json: (await response.json()) as any };
};
const start = (key: string, prefer: string) =>
  call('POST', '/v1/runs', '{"workflow":"welcome"}', { 'idempotency-key': key, prefer });
const INSTANT = expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);

describe('a run that a mistake of the server has stopped', () => {
  it('says so where it is read, since when and why, and is not cancelled', async () => {
    const committed = api.owner.committed.bind(api.owner);
    api.owner.committed = () => {
      api.owner.committed = committed;
      throw new Error('cannot be');
    };
    const { id } = (await start('bug', 'wait=0')).json;
    const { json, etag } = await call('GET', `/v1/runs/${id}`);
    expect(json).toMatchObject({ status: 'running', parked: { since: INSTANT, reason: 'cannot be' } });
    // What is parked is part of what is shown, though no event says it.
    expect(etag).toMatch(/^"\d+-full-[0-9a-f]{16}"$/);
    const refused = await call('POST', `/v1/runs/${id}/cancel`, '{}');
    expect([refused.status, refused.json.code]).toEqual([500, 'run-parked']);
    expect(refused.json.detail).toContain(`${json.parked.since}, and nothing is done for it: cannot be`);
    expect((await call('GET', `/v1/runs/${id}`)).json).toEqual(json);
    expect((await start('well', 'wait=20')).json).toMatchObject({ status: 'completed', parked: null });
  });

  it('is told from one that there is not, though its events cannot be read', async () => {
    const { id } = (await start('broken', 'wait=20')).json;
    // From now on its history is known, and only what is new of it is read.
    await call('GET', `/v1/runs/${id}`);
    const stream = runStream(startRunId('start', 'default', 'welcome', 'broken'));
    const expected = (await api.store.readStream(stream)).at(-1)!.revision;
    const envelope = { commandId: 'c', recordedAt: '2026-01-01T00:00:00.000Z', actor: null, traceparent: null };
    const events = [{ type: 'StepEntered', v: 1, data: '{' }];
    await new Promise((settle) => api.store.append({ stream, expected, events, envelope }, settle));
    const asked = [
      ['GET', ''],
      ['GET', '/steps'],
      ['GET', '/steps/create-user'],
      ['POST', '/cancel'],
    ] as const;
    for (const [method, path] of [...asked, ...asked]) {
      const { status, json } = await call(method, `/v1/runs/${id}${path}`);
      expect([path, status, json.code, json.detail]).toEqual([
        ...[path, 500, 'run-parked'],
        expect.stringContaining(`revision ${expected + 1}, StepEntered, cannot be read`),
      ]);
    }
  });
});
