import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { NodeShape } from '../../apps/workflow-api/src/docs/service-schemas.js';
import { startStandalone, type StartedApp } from '../support/apps.js';
import { closeConnections, httpCall } from '../support/http-client.js';
import { OtlpCollector } from '../support/otlp-collector.js';
import { tempFolder, type TempFolder } from '../support/temp-folder.js';

const CALLER = { traceId: 'abcdefabcdefabcdefabcdefabcdef01', spanId: 'abcdefabcdef0001' };
/** Prints what of OpenTelemetry is asked for. */
const TELL_LOADS = `data:text/javascript,import { registerHooks } from 'node:module';
registerHooks({ resolve(name, context, next) {
  if (name.includes('opentelemetry')) console.log('loads ' + name);
  return next(name, context);
} });`;

let folder: TempFolder;
let collector: OtlpCollector;
let collectorUrl: string;
let app: StartedApp | null = null;
/** Answers `/fails` with 503 the first time, everything else with 200. */
let target: Server;
let targetUrl: string;
let requests: { readonly path: string; readonly headers: IncomingHttpHeaders }[] = [];

beforeAll(async () => {
  target = createServer((request, response) => {
    const path = request.url ?? '';
    request.resume();
    const isFirst = requests.every((each) => each.path !== path);
    requests.push({ path, headers: request.headers });
    response.writeHead(path === '/fails' && isFirst ? 503 : 200, { 'content-type': 'application/json' }).end('{}');
  });
  await new Promise<void>((resolve) => target.listen(0, '127.0.0.1', resolve));
  targetUrl = `http://127.0.0.1:${(target.address() as AddressInfo).port}`;
});
beforeEach(async () => {
  requests = [];
  folder = await tempFolder('observability');
  collector = new OtlpCollector();
  collectorUrl = await collector.start();
});
afterEach(async () => {
  app?.child.kill();
  await app?.child.exited();
  app = null;
  await collector.stop();
  await folder.remove();
});
afterAll(async () => {
  closeConnections();
  target.closeAllConnections();
  await new Promise((resolve) => target.close(resolve));
});

const FLOW = {
  type: 'sequence',
  steps: [
    { type: 'step', name: 'plain', url: '/plain' },
    { type: 'step', name: 'fails', url: '/fails', retry: { initialIntervalMs: 10, jitter: 'none' } },
  ],
};

const startApp = async (env: Record<string, string>): Promise<string> => {
  app = await startStandalone({ dataDir: folder.path, env, execArgv: ['--import', TELL_LOADS] });
  const published = await httpCall('PUT', `${app.url}/v1/workflows/flow`, { body: { target: targetUrl, root: FLOW } });
  expect(published.status).toBe(201);
  return app.url;
};

const run = async (url: string, headers: Record<string, string> = {}): Promise<string> => {
  const { status, text } = await httpCall('POST', `${url}/v1/runs`, {
    body: { workflow: 'flow' },
    headers: { 'idempotency-key': 'k', prefer: 'wait=20', ...headers },
  });
  expect([status, text]).toEqual([200, expect.stringContaining('"status":"completed"')]);
  return (JSON.parse(text) as { id: string }).id;
};

describe('a trace', () => {
  it('leads from the caller by the start request and each attempt into the application', async () => {
    const url = await startApp({ STEPWELL_OTLP_URL: collectorUrl });
    const id = await run(url, { traceparent: `00-${CALLER.traceId}-${CALLER.spanId}-01` });
    expect(await app?.child.stop()).toBe(0);
    expect(app?.child.output).toContain('loads @opentelemetry/sdk-trace');
    const [request] = collector.spans.filter(({ name }) => name === 'POST /v1/runs');
    const attempts = collector.spans.filter(({ name }) => name.startsWith('attempt '));
    expect(collector.spans).toHaveLength(4);
    expect(request).toMatchObject({
      traceId: CALLER.traceId,
      parent: CALLER.spanId,
      attributes: { 'stepwell.run_id': id, 'http.response.status_code': '200' },
    });
    expect(attempts.map(({ attributes }) => attributes)).toMatchObject([
      { 'stepwell.run_id': id, 'stepwell.step': 'plain', 'stepwell.attempt': '1', 'stepwell.outcome': 'succeeded' },
      {
        'stepwell.step': 'fails',
        'stepwell.attempt': '1',
        'stepwell.outcome': 'may-have-executed',
        'http.response.status_code': '503',
      },
      { 'stepwell.step': 'fails', 'stepwell.attempt': '2', 'stepwell.outcome': 'succeeded' },
    ]);
    expect(attempts.map(({ parent }) => parent)).toEqual(attempts.map(() => request?.spanId));
    // What the application was told is the span of that attempt.
    expect(requests.map(({ headers }) => headers['traceparent'])).toEqual(
      attempts.map(({ spanId }) => `00-${CALLER.traceId}-${spanId}-01`),
    );
  });

  it('begins at the start request when the caller has none', async () => {
    const url = await startApp({ STEPWELL_OTLP_URL: collectorUrl });
    await run(url);
    await app?.child.stop();
    const request = collector.spans.find(({ name }) => name === 'POST /v1/runs');
    expect(request?.parent).toBe(null);
    expect(new Set(collector.spans.map(({ traceId }) => traceId))).toEqual(new Set([request?.traceId]));
    expect(collector.spans).toHaveLength(4);
  });

  it('is off without a collector: nothing of OpenTelemetry is loaded, and the caller is handed through', async () => {
    const url = await startApp({});
    await run(url, { traceparent: `00-${CALLER.traceId}-${CALLER.spanId}-01` });
    expect(await app?.child.stop()).toBe(0);
    expect(app?.child.output).not.toContain('loads');
    expect(requests.map(({ headers }) => headers['traceparent']?.slice(3, 35))).toEqual(
      requests.map(() => CALLER.traceId),
    );
    expect(collector.spans).toEqual([]);
  });

  it('loses its spans when the collector is down, says so once, and runs go on', async () => {
    await collector.stop();
    const url = await startApp({ STEPWELL_OTLP_URL: collectorUrl });
    await run(url);
    expect(await app?.child.stop()).toBe(0);
    expect(app?.child.output.match(/spans do not reach their collector/g)).toHaveLength(1);
  }, 30_000);
});

describe('the metrics and the node of a standalone process', () => {
  it('tell of what it has done', async () => {
    const url = await startApp({});
    await run(url);
    const { text } = await httpCall('GET', `${url}/metrics`);
    for (const line of [
      'stepwell_runs_started_total 1',
      'stepwell_runs_ended_total{status="completed"} 1',
      'stepwell_runs_ended_total{status="failed"} 0',
      `stepwell_attempts_total{class="succeeded",target="${targetUrl}"} 2`,
      `stepwell_attempts_total{class="may-have-executed",target="${targetUrl}"} 1`,
      'stepwell_attempts_in_flight 0',
      'stepwell_appends_total{outcome="conflict"} 0',
      'stepwell_shards_owned 64',
      'stepwell_shard_take_overs_total 0',
      'stepwell_view_parked_streams 0',
      'stepwell_http_requests_total{method="POST",route="/v1/runs",status="200"} 1',
    ])
      expect(text.split('\n')).toContain(line);
    const appends = /^stepwell_append_seconds_count (\d+)$/m.exec(text)?.[1];
    expect(Number(appends)).toBeGreaterThanOrEqual(4);
    expect(text).toContain(`stepwell_appends_total{outcome="appended"} ${appends}`);
    const node = JSON.parse((await httpCall('GET', `${url}/v1/node`)).text) as Record<string, unknown>;
    expect(NodeShape.parse(node)).toEqual(node);
    expect(node).toMatchObject({
      roles: ['workflow-api', 'dispatcher', 'projector'],
      shards: { owned: 64, of: 64 },
      lag: { events: expect.any(Number), seconds: expect.any(Number), caughtUp: true },
      versions: {
        stepwell: '0.1.0',
        node: process.versions.node,
        eventStoreServer: null,
        viewsSchema: expect.any(Number),
      },
    });
  });
});
