import { Pool, type Dispatcher } from 'undici';
import type { Clock } from '#runtime';
import { isSuccess, type Answer, type ExchangeFault } from '../classify.js';
import { Connections } from './connections.js';
import { CUT, faultOfError } from './fault-of-error.js';

export type ExchangeRequest = {
  readonly origin: string;
  readonly path: string;
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Names and values by turns. */
  readonly headers: string[];
  readonly body: string | null;
  readonly connectMs: number;
};

export type ExchangeLimits = { readonly answerMaxBytes: number; readonly connectionsPerOriginMax: number };

/** `not-begun`: nothing was sent, as `mayBegin` has said. */
export type ExchangeOutcome = { readonly answer: Answer } | { readonly fault: ExchangeFault } | 'not-begun';

/** An exchange under way. */
export interface Exchange {
  /** Ends it now with this fault, unless it has ended. */
  abort(name: ExchangeFault['name'], cause: string): void;
  /** Whether a byte of the request may have left. */
  readonly sent: boolean;
}

/** Makes exchanges; how is its own affair. */
export type Exchanges = Pick<HttpExchanges, 'begin' | 'stop'>;

/** Pools that are kept open; past it the one that was opened first is closed, once its exchanges have ended. */
const POOLS_MAX = 2_000;
// Below the 5 s after which most servers drop an idle connection, so that we let go first.
const KEEP_ALIVE_MS = 4_000;

/**
 * HTTP exchanges on one pool of kept-alive connections per origin, at undici's `dispatch` level: no stream, no promise
 * and no signal object an exchange. Redirects are not followed, nothing is decoded, an answer is bounded.
 */
export class HttpExchanges {
  private readonly pools = new Map<string, Pool>();
  private readonly connections: Connections;

  constructor(
    clock: Clock,
    private readonly limits: ExchangeLimits,
  ) {
    this.connections = new Connections(clock);
  }

  /**
   * Calls `settle` once, never synchronously before it returns. `mayBegin` is asked right before the first byte leaves:
   * a connection is waited for, and what held when that wait began need not hold any more. Nothing here ends a slow
   * exchange: the caller's timer does.
   */
  begin(request: ExchangeRequest, mayBegin: () => boolean, settle: (outcome: ExchangeOutcome) => void): Exchange {
    const exchange = new UndiciExchange(this.connections, this.limits.answerMaxBytes, mayBegin, settle);
    const { path, method, headers, body } = request;
    this.poolOf(request.origin, request.connectMs).dispatch({ path, method, headers, body }, exchange);
    return exchange;
  }

  /** Cuts every connection. */
  async stop(): Promise<void> {
    const pools = [...this.pools.values()];
    this.pools.clear();
    this.connections.stop();
    await Promise.all(pools.map((pool) => pool.destroy()));
  }

  private poolOf(origin: string, connectMs: number): Pool {
    const key = `${connectMs} ${origin}`;
    const known = this.pools.get(key);
    if (known !== undefined) return known;
    const pool = new Pool(origin, {
      connections: this.limits.connectionsPerOriginMax,
      pipelining: 1,
      keepAliveTimeout: KEEP_ALIVE_MS,
      keepAliveMaxTimeout: KEEP_ALIVE_MS,
      // The whole exchange has one deadline of ours; undici's own would be timers an exchange.
      headersTimeout: 0,
      bodyTimeout: 0,
      allowH2: false,
      connect: this.connections.connector(connectMs),
    });
    this.pools.set(key, pool);
    if (this.pools.size > POOLS_MAX) this.closeOldest();
    return pool;
  }

  private closeOldest(): void {
    for (const [key, pool] of this.pools) {
      this.pools.delete(key);
      // It ends its exchanges under way first; a failure to close is a failure of those, which they report.
      pool.close().catch(() => undefined);
      return;
    }
  }
}

class UndiciExchange implements Exchange, Dispatcher.DispatchHandler {
  sent = false;
  private settled = false;
  private controller: Dispatcher.DispatchController | null = null;
  private status = 0;
  private headers: Readonly<Record<string, string | string[] | undefined>> = {};
  private chunks: Buffer[] = [];
  private bytes = 0;

  constructor(
    private readonly connections: Connections,
    private readonly answerMaxBytes: number,
    private readonly mayBegin: () => boolean,
    private readonly settle: (outcome: ExchangeOutcome) => void,
  ) {}

  abort(name: ExchangeFault['name'], cause: string): void {
    this.fail(name, cause);
    this.controller?.abort(new Error(cause));
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.controller = controller;
    if (this.settled) controller.abort(new Error('the exchange ended before its connection was there'));
    else if (this.mayBegin()) this.sent = true;
    else {
      this.settled = true;
      controller.abort(new Error('the exchange may not begin any more'));
      queueMicrotask(() => this.settle('not-begun'));
    }
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, string | string[] | undefined>,
  ): void {
    // Whatever comes before the answer says nothing that matters here.
    if (status >= 100 && status < 200 && status !== 101) return;
    if (status < 200) return this.abort('Stepwell.InvalidAnswer', `the answer is not HTTP: it has status ${status}`);
    this.status = status;
    this.headers = headers;
    const length = Number(this.header('content-length'));
    if (length > this.answerMaxBytes && isSuccess(status)) this.tooLarge();
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.settled) return;
    this.chunks.push(chunk);
    this.bytes += chunk.length;
    if (this.bytes <= this.answerMaxBytes) return;
    if (isSuccess(this.status)) return this.tooLarge();
    // The limit is of payloads. What failed says why by its status, and in what has come by now.
    this.settleAnswer();
    this.controller?.abort(new Error('the rest of a failed answer is not read'));
  }

  onResponseEnd(): void {
    if (this.settled) return;
    if (this.connections.breaking) return this.fail('Stepwell.ConnectionLost', CUT);
    this.settleAnswer();
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    if (this.settled) return;
    const { name, cause } = faultOfError(error, { sent: this.sent, answering: this.status !== 0 });
    if (this.sent) return this.fail(name, cause);
    // It may come from within `begin`, as for a request that cannot be written.
    queueMicrotask(() => this.fail(name, cause));
  }

  private settleAnswer(): void {
    this.settled = true;
    const [first] = this.chunks;
    this.settle({
      answer: {
        status: this.status,
        contentType: this.header('content-type'),
        contentEncoding: this.list('content-encoding'),
        retryAfter: this.header('retry-after') || null,
        body: this.chunks.length === 1 && first !== undefined ? first : Buffer.concat(this.chunks),
      },
    });
  }

  /** Of a header that is a list, all lines that it came in. */
  private list(name: string): string {
    const value = this.headers[name];
    return typeof value === 'string' ? value : (value?.join(',') ?? '');
  }

  private header(name: string): string {
    const value = this.headers[name];
    return typeof value === 'string' ? value : (value?.[0] ?? '');
  }

  private tooLarge(): void {
    this.abort(
      'Stepwell.PayloadTooLarge',
      `the answer is longer than ${this.answerMaxBytes} bytes, the limit of a payload`,
    );
  }

  private fail(name: ExchangeFault['name'], cause: string): void {
    if (this.settled) return;
    this.settled = true;
    this.settle({ fault: { name, cause, sent: this.sent, status: this.status === 0 ? null : this.status } });
  }
}
