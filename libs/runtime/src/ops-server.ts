import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import type { Log } from './log.js';
import type { MetricsPage } from './metrics/prom-client/metrics-page.js';
import type { NodeInfo } from './node-info.js';
import type { Readiness } from './readiness.js';

export type OpsAnswers = {
  readonly readiness: () => Promise<Readiness>;
  readonly metrics: MetricsPage;
  readonly node: NodeInfo;
  readonly log: Log;
  /** What else is asked comes too early: 503, not 404. */
  readonly starting?: boolean;
};

const JSON_TYPE = 'application/json; charset=utf-8';
const HEADERS_TIMEOUT_MS = 10_000;

/** The server of a process that has no API. */
export const createOpsServer = (): Server => createServer({ headersTimeout: HEADERS_TIMEOUT_MS });

/** `/livez`, `/readyz`, `/metrics` and `/v1/node`, as the API answers them: of a process that serves nothing else, or not yet. */
export const opsListener =
  (parts: OpsAnswers): RequestListener =>
  (request, response) => {
    answer(parts, request, response).catch((err: unknown) => {
      parts.log.error('a request failed', { method: request.method, path: request.url, err });
      if (response.headersSent) response.destroy();
      else send(response, 500, JSON_TYPE, '{"status":"failed"}');
    });
  };

const answer = async (
  { readiness, metrics, node, starting = false }: OpsAnswers,
  { method = '', url = '' }: IncomingMessage,
  response: ServerResponse,
): Promise<void> => {
  const [path = ''] = url.split('?');
  const known = ['/livez', '/readyz', '/metrics', '/v1/node'].includes(path);
  if (starting && !known) return tooEarly(await readiness(), response);
  if (method !== 'GET' && method !== 'HEAD') return send(response, 405, JSON_TYPE, '{"status":"method-not-allowed"}');
  if (path === '/livez') return send(response, 200, JSON_TYPE, '{"status":"alive"}');
  if (path === '/metrics') return send(response, 200, metrics.contentType, await metrics.text());
  if (path === '/v1/node') return send(response, 200, JSON_TYPE, JSON.stringify(node));
  if (path !== '/readyz') return send(response, 404, JSON_TYPE, '{"status":"not-found"}');
  const ready = await readiness();
  send(response, ready.status === 'not-ready' ? 503 : 200, JSON_TYPE, JSON.stringify(ready));
};

/** As the API answers where it is not ready. */
const tooEarly = ({ parts }: Readiness, response: ServerResponse): void => {
  const errors = Object.entries(parts).map(([pointer, { detail }]) => ({ pointer, detail }));
  const [{ detail } = { detail: null }] = errors;
  const problem = { type: '/problems/not-ready', title: 'Not ready', status: 503, detail, code: 'not-ready', errors };
  send(response, 503, 'application/problem+json', JSON.stringify(problem));
};

const send = (response: ServerResponse, status: number, type: string, text: string): void => {
  const headers = { 'content-type': type, 'content-length': Buffer.byteLength(text), 'cache-control': 'no-store' };
  response.writeHead(status, headers).end(text);
};
