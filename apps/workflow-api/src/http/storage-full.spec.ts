import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { LogFull, MemoryEventStore, type Append, type AppendOutcome } from '#event-store';
import { startTestApi, type TestApi } from '../../testing/test-api.js';

class SmallLog extends MemoryEventStore {
  full = false;
  override append(append: Append, settle: (outcome: AppendOutcome) => void): void {
    if (!this.full) return super.append(append, settle);
    queueMicrotask(() => settle({ status: 'refused', fault: new LogFull('no room') }));
  }
}

describe('the API while the disk of the log is full', () => {
  const log = new SmallLog();
  let api: TestApi;
  beforeAll(async () => {
    api = await startTestApi({}, log);
    api.owner.held.add('create-user');
  });
  afterAll(() => api.stop());

  const call = async (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) => {
    const response = await fetch(`${api.url}${path}`, {
      method,
      headers: { 'content-type': 'application/json', ...headers },
      ...(body === undefined ? undefined : { body: JSON.stringify(body) }),
    });
    return { status: response.status, json: (await response.json()) as { id: string; code: string } };
  };
  const start = (key: string, body: unknown, prefer = '') =>
    call('POST', '/v1/runs', body, { 'idempotency-key': key, ...(prefer === '' ? undefined : { prefer }) });

  it('answers 507 to what would be written, with code and help, and goes on answering reads', async () => {
    const inline = { type: 'pass', output: 1 };
    const { json: run } = await start('first', { workflow: 'welcome' });
    log.full = true;
    const refused = [
      await start('second', { workflow: 'welcome' }),
      await start('waits', { workflow: 'welcome' }, 'wait=5'),
      await start('inline', { definition: { root: inline } }),
      await call('POST', `/v1/runs/${run.id}/cancel`, {}),
      await call('PUT', '/v1/workflows/new', { root: inline }),
      await call('PUT', '/v1/workflows/new/draft', { root: inline }),
      await call('DELETE', '/v1/workflows/welcome'),
    ];
    expect(refused.map(({ status, json }) => `${status} ${json.code}`)).toEqual(refused.map(() => '507 storage-full'));
    expect((await call('GET', `/v1/runs/${run.id}`)).json).toMatchObject({ status: 'running', revision: 2 });
    expect((await start('first', { workflow: 'welcome' })).status).toBe(201);
    expect((await call('GET', '/problems/storage-full')).status).toBe(200);
    log.full = false;
    expect((await start('second', { workflow: 'welcome' })).status).toBe(201);
    expect((await call('PUT', '/v1/workflows/new', { root: inline })).status).toBe(201);
    expect((await call('POST', `/v1/runs/${run.id}/cancel`, {})).json).toMatchObject({ status: 'cancelled' });
  });
});
