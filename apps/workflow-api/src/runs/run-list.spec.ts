import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Position } from '#event-store';
import type { RunListPage, RunListQuery } from '#views';
import { startTestApi, type TestApi } from '../../testing/test-api.js';

const PAGE: RunListPage = { status: 'page', items: '[]', nextCursor: 'next', position: 7 as Position };
const asked: RunListQuery[] = [];
const waited: [number, number][] = [];
let page: RunListPage = PAGE;
let reached = true;

let api: TestApi;
beforeAll(async () => {
  const lists = {
    listRuns: async (query: RunListQuery) => {
      asked.push(query);
      return page;
    },
    listSteps: async () => page,
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
  page = PAGE;
  reached = true;
});

const list = async (query: string, headers: Record<string, string> = {}) => {
  const response = await fetch(`${api.url}/v1/runs${query}`, { headers });
  return { status: response.status, headers: response.headers, json: (await response.json()) as any };
};

describe('GET /v1/runs', () => {
  it('gives a page and the position that it shows', async () => {
    const { status, headers, json } = await list('');
    expect([status, headers.get('stepwell-position'), json]).toEqual([200, '7', { items: [], nextCursor: 'next' }]);
    expect(asked).toEqual([{ order: 'desc', limit: 50 }]);
    expect(waited).toEqual([]);
  });

  it('asks for what every parameter says', async () => {
    await list(
      '?status=failed&status=timed-out&workflow=w&version=3&namespace=n&queue=q&tag=a%3Db%3Dc&tag=d%3D&key=k&correlationId=c' +
        '&requestor=Ann%20B&stepKey=s&from=2026-01-01T01:00:00%2B01:00&to=2026-02-01T00:00:00.5Z&resolved=false&order=asc&limit=1000&cursor=x',
    );
    expect(asked).toEqual([
      {
        statuses: ['failed', 'timed-out'],
        workflow: 'w',
        version: 3,
        namespace: 'n',
        queue: 'q',
        tags: [
          { name: 'a', value: 'b=c' },
          { name: 'd', value: '' },
        ],
        key: 'k',
        correlationId: 'c',
        requestor: 'Ann B',
        stepKey: 's',
        from: '2026-01-01T00:00:00.000Z',
        to: '2026-02-01T00:00:00.500Z',
        resolved: false,
        order: 'asc',
        limit: 1000,
        cursor: 'x',
      },
    ]);
    await list('?status=running&version=draft&from=2026-01-01');
    expect(asked[1]).toMatchObject({ statuses: ['running'], version: 'draft', from: '2026-01-01T00:00:00.000Z' });
  });

  it.each([
    'limit=0',
    'limit=1001',
    'limit=1000000000',
    'limit=-1',
    'limit=1.5',
    'limit=1e2',
    'limit=',
    'limit=5&limit=6',
    'status=done',
    'status=',
    'version=0',
    'version=x',
    'tag=a',
    'tag==a',
    'from=yesterday',
    'from=2026-13-01',
    'from=2026-02-30',
    'from=2026-02-29T12:00:00Z',
    'from=9999-12-31T23:59:59-01:00',
    'to=0000-01-01T00:00:00%2B01:00',
    'to=2026-01-01T00:00:00',
    'resolved=1',
    'order=up',
    'stats=failed',
    'workflow=a%20b',
    'key=',
    'requestor=',
    'requestor=a%0Ab',
    'cursor=',
    'key=a&key=b',
    'constructor=1',
    'status=failed&'.repeat(51).slice(0, -1),
  ])('refuses ?%s', async (query) => {
    const { status, json } = await list(`?${query}`);
    expect([status, json.code, json.errors.length > 0]).toEqual([400, 'validation-failed', true]);
    expect(asked).toEqual([]);
  });

  it.each([
    ['stats=failed', 'stats', 'There is no such parameter. Did you mean "status"?'],
    ['status=running&status=done', 'status', expect.stringContaining('ust be "running", ')],
    ['tag=a', 'tag', 'Must be name=value.'],
    ['version=0', 'version', 'Must be a version number or draft.'],
    ['from=yesterday', 'from', expect.stringContaining('Must be an ISO 8601 instant')],
    ['to=2026-02-30', 'to', 'Is no instant of the calendar.'],
  ])('says once what is wrong with ?%s, by the name of the parameter', async (query, pointer, detail) => {
    expect((await list(`?${query}`)).json.errors).toEqual([{ pointer, detail }]);
  });

  it('refuses a cursor of another list', async () => {
    page = { status: 'bad-cursor' };
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
    ['the store of the views is behind', true, { status: 'behind', position: 1 as Position } as RunListPage],
  ])('answers 503 with Retry-After when %s', async (_name, isReached, answer) => {
    reached = isReached;
    page = answer;
    const { status, headers, json } = await list('', { 'stepwell-min-position': '42' });
    expect([status, json.code, headers.get('retry-after')]).toEqual([503, 'view-behind', '1']);
  });

  it.each(['x', '-1', '1.5', '1, 2', '9999999999999999'])('refuses the position %s', async (position) => {
    const { status, json } = await list('', { 'stepwell-min-position': position });
    expect([status, json.errors[0].pointer]).toEqual([400, 'Stepwell-Min-Position']);
  });
});
