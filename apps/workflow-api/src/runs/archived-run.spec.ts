import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Archiver } from '#retention';
import { silentLog, systemClock, systemEntropy } from '#runtime';
import { startTestApi, type TestApi } from '../../testing/test-api.js';

let api: TestApi;
let folder: string;
let id: string;

const post = (body: object, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(`${api.url}/v1/runs`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'idempotency-key': 'order-7', ...headers },
    body: JSON.stringify(body),
  });

beforeAll(async () => {
  api = await startTestApi();
  folder = mkdtempSync(join(tmpdir(), 'stepwell-archive-'));
  const finished = await post({ workflow: 'welcome' }, { prefer: 'wait=5' });
  ({ id } = (await finished.json()) as { id: string });
  // Its end was this very moment: an age below zero makes it due.
  const options = { folder, ageMs: -1_000, runsPerSecond: 1_000 };
  const archiver = new Archiver(api.store, systemClock, systemEntropy, silentLog, options);
  await archiver.archiveDue(new AbortController().signal);
  await archiver.stop();
});
afterAll(async () => {
  await api.stop();
  rmSync(folder, { recursive: true });
});

const file = expect.stringMatching(/^runs-\d{4}-\d\d-\d\d\.ndjson\.gz$/);
const gone = { status: 410, code: 'run-archived', file, errors: [] };

describe('an archived run', () => {
  it.each([
    ['GET', ''],
    ['GET', '/events'],
    ['GET', '/steps/create-user'],
    ['POST', '/cancel'],
  ])('answers %s /v1/runs/{id}%s with 410, the file and a position', async (method, path) => {
    const answer = await fetch(`${api.url}/v1/runs/${id}${path}`, { method });
    expect(answer.status).toBe(410);
    expect(answer.headers.get('content-type')).toContain('application/problem+json');
    expect(answer.headers.get('stepwell-position')).toMatch(/^\d+$/);
    expect(await answer.json()).toMatchObject(gone);
  });

  it('ends the stream of who comes back to it with 410', async () => {
    const headers = { accept: 'text/event-stream', 'last-event-id': '5' };
    expect((await fetch(`${api.url}/v1/runs/${id}/events`, { headers })).status).toBe(410);
  });

  it('answers its start sent again with 410, waiting or not, and another payload with 422', async () => {
    for (const prefer of ['', 'wait=5']) {
      const answer = await post({ workflow: 'welcome' }, prefer === '' ? {} : { prefer });
      expect([answer.status, await answer.json()]).toMatchObject([410, gone]);
    }
    const other = await post({ workflow: 'welcome', input: 1 });
    expect([other.status, await other.json()]).toMatchObject([422, { code: 'idempotency-key-reused' }]);
  });

  it('answers its start with 410 also when the workflow has gone since', async () => {
    await api.catalogue.archive('welcome');
    const answer = await post({ workflow: 'welcome' });
    expect([answer.status, await answer.json()]).toMatchObject([410, gone]);
  });

  it('is still unknown under the id of another suffix', async () => {
    expect((await fetch(`${api.url}/v1/runs/${id}.other`)).status).toBe(404);
  });
});
