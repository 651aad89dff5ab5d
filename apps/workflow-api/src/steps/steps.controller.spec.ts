import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Position } from '#event-store';
import type { RunListPage, StepListAnswer, StepListQuery } from '#views';
import { startTestApi, type TestApi } from '../../testing/test-api.js';

const PAGE: RunListPage = { status: 'page', items: '[]', nextCursor: 'next', position: 7 as Position };
const asked: StepListQuery[] = [];
const waited: [number, number][] = [];
let answer: StepListAnswer = PAGE;
let reached = true;

let api: TestApi;
beforeAll(async () => {
  const lists = {
    listRuns: async () => PAGE,
    listSteps: async (query: StepListQuery) => {
      asked.push(query);
      return answer;
    },
    waitFor: async (position: Position, timeoutMs: number) => {
      waited.push([position, timeoutMs]);
      return reached;
    },
  };
  api = await startTestApi({ lists });
});
afterAll(() => api.stop());
beforeEach(() => {
  asked.length = 0;
  waited.length = 0;
  answer = PAGE;
  reached = true;
});

const list = async (query: string, headers: Record<string, string> = {}) => {
  const response = await fetch(`${api.url}/v1/steps${query}`, { headers });
  return { status: response.status, headers: response.headers, json: (await response.json()) as any };
};

describe('GET /v1/steps', () => {
  it('gives a page and the position that it shows', async () => {
    const { status, headers, json } = await list('');
    expect([status, headers.get('stepwell-position'), json]).toEqual([200, '7', { items: [], nextCursor: 'next' }]);
    expect(asked).toEqual([{ order: 'desc', limit: 50 }]);
    expect(waited).toEqual([]);
  });

  it('asks for what every parameter says', async () => {
    await list(
      '?status=failed&status=waiting-retry&workflow=w&version=3&target=HTTP://App:80/&type=step&namespace=n&queue=q' +
        '&from=2026-01-01T01:00:00%2B01:00&to=2026-02-01&order=asc&limit=1000&cursor=x',
    );
    expect(asked).toEqual([
      {
        statuses: ['failed', 'waiting-retry'],
        workflow: 'w',
        version: 3,
        target: 'http://app',
        type: 'step',
        namespace: 'n',
        queue: 'q',
        from: '2026-01-01T00:00:00.000Z',
        to: '2026-02-01T00:00:00.000Z',
        order: 'asc',
        limit: 1000,
        cursor: 'x',
      },
    ]);
  });

  it.each([
    'limit=0',
    'limit=1001',
    'limit=5&limit=6',
    'status=pending',
    'status=',
    'version=0',
    'target=app',
    'target=http://app/steps',
    'target=http://app?x',
    'target=http://user@app',
    'target=ftp://app',
    'type=task',
    'from=yesterday',
    'order=up',
    'cursor=',
    'stepKey=a',
    'key=a',
    'status=failed&'.repeat(51).slice(0, -1),
  ])('refuses ?%s', async (query) => {
    const { status, json } = await list(`?${query}`);
    expect([status, json.code, json.errors.length > 0]).toEqual([400, 'validation-failed', true]);
    expect(asked).toEqual([]);
  });

  it.each([
    ['targt=http://app', 'targt', 'There is no such parameter. Did you mean "target"?'],
    ['target=http://app/steps', 'target', 'Must be an origin, such as http://app:4000, without a path.'],
    ['status=running&status=done', 'status', expect.stringContaining('ust be "scheduled", ')],
  ])('says once what is wrong with ?%s, by the name of the parameter', async (query, pointer, detail) => {
    expect((await list(`?${query}`)).json.errors).toEqual([{ pointer, detail }]);
  });

  it('refuses a cursor of another list', async () => {
    answer = { status: 'bad-cursor' };
    const { status, json } = await list('?cursor=zzz');
    expect([status, json.code]).toEqual([400, 'cursor-invalid']);
  });

  it('waits until the view has reached Stepwell-Min-Position, within the configured bound', async () => {
    expect((await list('', { 'stepwell-min-position': '42' })).status).toBe(200);
    expect(waited).toEqual([[42, 5_000]]);
    expect(asked[0]).toMatchObject({ minPosition: 42 });
  });

  it.each([
    ['the wait is over', false, PAGE],
    ['the store of the views is behind', true, { status: 'behind', position: 1 as Position } as StepListAnswer],
  ])('answers 503 with Retry-After when %s', async (_name, isReached, given) => {
    reached = isReached;
    answer = given;
    const { status, headers, json } = await list('', { 'stepwell-min-position': '42' });
    expect([status, json.code, headers.get('retry-after')]).toEqual([503, 'view-behind', '1']);
  });

  it('folds the steps of runs that the views point at, and passes over a run that the log no longer has', async () => {
    const started = await fetch(`${api.url}/v1/runs`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'idempotency-key': 'listed', prefer: 'wait=5' },
      body: JSON.stringify({ workflow: 'welcome', input: {} }),
    });
    const run = (await started.json()) as any;
    const runs = [
      { seq: 2, runId: 'a'.repeat(26), revision: 9 },
      { seq: 1, runId: run.id, revision: run.revision },
    ];
    const places = { min: 1, max: Number.MAX_SAFE_INTEGER };
    answer = { status: 'in-runs', runs, more: false, places, position: 7 as Position };
    const { json } = await list('?status=completed&type=step');
    expect(json.nextCursor).toBe(null);
    expect(json.items.map(({ key }: any) => key).sort()).toEqual([
      'create-user',
      'parallel1.analytics',
      'parallel1.email',
    ]);
  });
});
