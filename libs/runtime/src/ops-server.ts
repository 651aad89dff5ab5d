import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Log } from './log.js';
import type { MetricsPage } from './metrics/prom-client/metrics-page.js';
import type { NodeInfo } from './node-info.js';
import type { Readiness } from './readiness.js';

export type OpsServerParts = {
  readonly http: { readonly host: string; readonly port: number };
  readonly readiness: () => Promise<Readiness>;
  readonly metrics: MetricsPage;
  readonly node: NodeInfo;
  readonly log: Log;
  /** What else is asked comes too early: 503, not 404. */
  readonly starting?: boolean;
};

const JSON_TYPE = 'application/json; charset=utf-8';
const HEADERS_TIMEOUT_MS = 10_000;

/** `/livez`, `/readyz`, `/metrics` and `/v1/node`, as the API answers them, of a process that serves nothing else. */
export class OpsServer {
  readonly #server: Server;
  #stopping: Promise<void> | null = null;

  constructor(private readonly parts: OpsServerParts) {
    this.#server = createServer({ headersTimeout: HEADERS_TIMEOUT_MS }, (request, response) => {
      this.#answer(request, response).catch((err: unknown) => {
        parts.log.error('a request failed', { method: request.method, path: request.url, err });
        if (response.headersSent) response.destroy();
        else send(response, 500, JSON_TYPE, '{"status":"failed"}');
      });
    });
  }

  /** Resolves with the URL once it listens. */
  start(): Promise<string> {
    const { host, port } = this.parts.http;
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject).listen(port, host, () => {
        // A TCP server has no other kind of address.
        const { port: bound } = this.#server.address() as AddressInfo;
        resolve(`http://${host.includes(':') ? `[${host}]` : host}:${bound}`);
      });
    });
  }

  /** Idempotent. */
  stop(): Promise<void> {
    return (this.#stopping ??= new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    }));
  }

  async #answer({ method = '', url = '' }: IncomingMessage, response: ServerResponse): Promise<void> {
    const [path = ''] = url.split('?');
    const known = ['/livez', '/readyz', '/metrics', '/v1/node'].includes(path);
    if (this.parts.starting === true && !known) return this.#tooEarly(response);
    if (method !== 'GET' && method !== 'HEAD') return send(response, 405, JSON_TYPE, '{"status":"method-not-allowed"}');
    if (path === '/livez') return send(response, 200, JSON_TYPE, '{"status":"alive"}');
    if (path === '/metrics')
      return send(response, 200, this.parts.metrics.contentType, await this.parts.metrics.text());
    if (path === '/v1/node') return send(response, 200, JSON_TYPE, JSON.stringify(this.parts.node));
    if (path !== '/readyz') return send(response, 404, JSON_TYPE, '{"status":"not-found"}');
    const readiness = await this.parts.readiness();
    send(response, readiness.status === 'not-ready' ? 503 : 200, JSON_TYPE, JSON.stringify(readiness));
  }

  /** As the API answers where it is not ready. */
  async #tooEarly(response: ServerResponse): Promise<void> {
    const { parts } = await this.parts.readiness();
    const errors = Object.entries(parts).map(([pointer, { detail }]) => ({ pointer, detail }));
    const [{ detail } = { detail: null }] = errors;
    const problem = { type: '/problems/not-ready', title: 'Not ready', status: 503, detail, code: 'not-ready', errors };
    send(response, 503, 'application/problem+json', JSON.stringify(problem));
  }
}

const send = (response: ServerResponse, status: number, type: string, text: string): void => {
  const headers = { 'content-type': type, 'content-length': Buffer.byteLength(text), 'cache-control': 'no-store' };
  response.writeHead(status, headers).end(text);
};
