import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { loadConfig } from './config.js';
import { silentLog } from './log.js';
import { MetricsPage } from './metrics/prom-client/metrics-page.js';
import { createOpsServer, opsListener } from './ops-server.js';
import { ProcessPort } from './process-port.js';
import { nodeInfo } from './node-info.js';
import { readinessOf, type Readiness } from './readiness.js';

const node = nodeInfo(loadConfig({}), {
  roles: ['dispatcher'],
  versions: () => ({ eventStoreServer: '24.10.0', viewsSchema: null }),
  state: () => ({ shards: { owned, acting: 3, of: 64 } }),
});
let owned = 20;

const part = (status: 'ready' | 'degraded' | 'not-ready') => ({ status, detail: null });

let readiness: () => Promise<Readiness>;
let port: ProcessPort;
let url: string;

beforeEach(async () => {
  readiness = () => Promise.resolve(readinessOf({ views: part('ready') }));
  port = new ProcessPort(createOpsServer(), { host: '127.0.0.1', port: 0 });
  const metrics = new MetricsPage({ stepwell_shards_owned: () => 21 });
  await port.bind(opsListener({ readiness: () => readiness(), metrics, node, log: silentLog }));
  url = port.url;
});
afterEach(() => port.stop());

const get = async (path: string, method = 'GET') => {
  const answer = await fetch(url + path, { method });
  return { status: answer.status, text: await answer.text() };
};

describe('the server of a process without an API', () => {
  it('says that the process lives', async () => {
    expect(await get('/livez')).toEqual({ status: 200, text: '{"status":"alive"}' });
  });

  it.each([
    [['ready', 'ready'], 'ready', 200],
    [['ready', 'degraded'], 'degraded', 200],
    [['degraded', 'not-ready'], 'not-ready', 503],
  ] as const)('is as ready as the worst part: %s is %s', async ([first, second], status, http) => {
    const parts = { first: part(first), second: part(second) };
    readiness = () => Promise.resolve(readinessOf(parts));
    expect(await get('/readyz')).toEqual({ status: http, text: JSON.stringify({ status, parts }) });
  });

  it('shows the metrics', async () => {
    const { status, text } = await get('/metrics?x=1');
    expect([status, text]).toEqual([200, expect.stringMatching(/^stepwell_shards_owned 21$/m)]);
  });

  it('describes the process as of each answer, with null for what it has no part for', async () => {
    owned = 21;
    const { status, text } = await get('/v1/node');
    expect([status, JSON.parse(text)]).toEqual([
      200,
      expect.objectContaining({
        product: 'stepwell',
        roles: ['dispatcher'],
        shards: { owned: 21, acting: 3, of: 64 },
        versions: expect.objectContaining({ eventStoreServer: '24.10.0' }),
        relay: null,
        lag: null,
      }),
    ]);
  });

  it('knows nothing else, and takes no orders', async () => {
    expect((await get('/v1/runs')).status).toBe(404);
    expect((await get('/readyz', 'POST')).status).toBe(405);
  });

  it('answers 500 when readiness cannot be told, and goes on', async () => {
    readiness = () => Promise.reject(new Error('no'));
    expect((await get('/readyz')).status).toBe(500);
    expect((await get('/livez')).status).toBe(200);
  });

  it('refuses a port that is taken by the name of its setting', async () => {
    const second = new ProcessPort(createOpsServer(), { host: '127.0.0.1', port: Number(new URL(url).port) });
    await expect(second.bind(() => {})).rejects.toThrow('set STEPWELL_PORT to a free port');
    await second.stop();
  });
});
