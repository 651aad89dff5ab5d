import { createServer, STATUS_CODES, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest, RouteOptions } from 'fastify';
import type { INestApplication } from '@nestjs/common';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { ProcessPort, type Config } from '#runtime';
import { compressAnswers } from './compression.js';
import { HttpCounts } from './http-counts.js';
import { freshRequestId, REQUEST_ID, requestIdOf } from './request-id.js';
import { problemHeaders, problemStatus, problemText, type Problem } from './problems.js';
import { bodyTypesOf, takesBody } from './endpoint.js';
import { sendProblem } from './raw-answer.js';
import { isPlainJson, JSON_TYPES, parseMediaType, readBody } from './request-body.js';
import { RouteTable } from './route-table.js';

export type HttpLimits = {
  /** Largest body: the largest payload or definition, and room for what stands around it. */
  readonly bodyMaxBytes: number;
  readonly headerTimeoutMs: number;
  readonly requestTimeoutMs: number;
};

/** What surrounds a payload in a body: names, tags, ids. */
export const ENVELOPE_MAX_BYTES = 64 * 1024;
const HEADER_MAX_BYTES = 16 * 1024;
/** Node looks for slow requests no more often than this. */
const TIMEOUT_CHECK_MS = 1_000;
const KEEP_ALIVE_MS = 72_000;
const CLOSING_CHECK_MS = 20;
/** What is still being answered this long after the stop began is cut off. */
const CLOSING_MAX_MS = 5_000;
/** A step key is at most 1,024 bytes; each of them may come as three characters. */
const PARAMETER_MAX_CHARS = 3 * 1_024;

const HEADER_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 30_000;

/** The largest payload or definition, and room for what stands around it. */
export const bodyMaxBytes = ({ payloadMaxBytes, definitionMaxBytes }: Config['limits']): number =>
  Math.max(2 * payloadMaxBytes, definitionMaxBytes) + ENVELOPE_MAX_BYTES;

/** What Nest is to serve the API by: `NestFactory.create(module, adapter, { bodyParser: false })`. */
export const createApiAdapter = ({ limits }: Pick<Config, 'limits'>): ApiAdapter =>
  new ApiAdapter({
    bodyMaxBytes: bodyMaxBytes(limits),
    headerTimeoutMs: HEADER_TIMEOUT_MS,
    requestTimeoutMs: REQUEST_TIMEOUT_MS,
  });

/** Starts the app, and hands it the port of its process when it is ready to serve. */
export const openApi = async (app: INestApplication, adapter: ApiAdapter): Promise<void> => {
  await app.init();
  await adapter.getInstance().ready();
  app.get(ProcessPort).open(adapter.listener);
};

/** Tells when the server begins to close: those who wait on open connections are to be let go. */
export class ServerClosing {
  constructor(readonly signal: AbortSignal) {}
}

/**
 * Nest's Fastify with the edge around it: limits and timeouts, bodies as bytes, and a problem+json for everything that never
 * reaches a handler. Fastify's own parsers are not used: they take forms and text, and numbers that they change.
 */
export class ApiAdapter extends FastifyAdapter {
  readonly routes: RouteTable;
  readonly counts = new HttpCounts();
  readonly closing: ServerClosing;

  /** What requests go to once the app is ready. */
  readonly listener: RequestListener;

  constructor(limits: HttpLimits) {
    const server = createHttpServer(limits);
    let listener: RequestListener = () => {};
    super({
      serverFactory: (handler: RequestListener) => {
        listener = handler;
        return server;
      },
      clientErrorHandler: (error: { readonly code?: string }, socket: Socket) =>
        endSocket(socket, clientProblem(error)),
      genReqId: requestIdOf,
      frameworkErrors: (error: FastifyError, { id }: FastifyRequest, reply: FastifyReply) =>
        answer(reply.header(REQUEST_ID, id), frameworkProblem(error.code)),
      routerOptions: { maxParamLength: PARAMETER_MAX_CHARS },
      exposeHeadRoutes: true,
      forceCloseConnections: false,
      return503OnClosing: false,
      skipMiddie: true,
    });
    const handle = listener;
    this.listener = (request, response) => {
      if (hasGoodHost(request)) handle(request, response);
      else sendProblem(response, BAD_HOST, requestIdOf(request));
    };
    server.on('request', this.listener);
    const fastify: FastifyInstance = this.getInstance();
    const closing = new AbortController();
    this.closing = new ServerClosing(closing.signal);
    this.routes = new RouteTable(fastify);
    this.counts.follow(fastify);
    fastify.decorateRequest('runId', null);
    fastify.addHook('onRequest', ({ id }, reply, done) => {
      void reply.header(REQUEST_ID, id);
      done();
    });
    takeBytes(fastify, limits.bodyMaxBytes);
    compressAnswers(fastify);
    leaveOutLengthOfNothing(fastify);
    fastify.addHook('preClose', (done) => {
      closing.abort();
      letConnectionsGo(server);
      done();
    });
  }

  /** Fastify closes only a server that it was told to listen on. */
  override async close(): Promise<void> {
    await super.close();
    const server: Server = this.getHttpServer();
    if (server.listening) await new Promise((resolve) => server.close(resolve));
  }
}

const createHttpServer = (limits: HttpLimits): Server => {
  const checkMs = Math.min(TIMEOUT_CHECK_MS, limits.headerTimeoutMs);
  const server = createServer({
    headersTimeout: limits.headerTimeoutMs,
    requestTimeout: limits.requestTimeoutMs,
    connectionsCheckingInterval: checkMs,
    keepAliveTimeout: KEEP_ALIVE_MS,
    maxHeaderSize: HEADER_MAX_BYTES,
    // Checked by the listener, so that the answer has our form.
    requireHostHeader: false,
    // Else Node keeps the first Host or Content-Type of two, and whatever stands before us may keep the second. Joined
    // they are malformed, and refused as such.
    joinDuplicateHeaders: true,
    noDelay: true,
  });
  readAfterStandstill(server, checkMs);
  server.on('checkExpectation', (request, response) => sendProblem(response, BAD_EXPECTATION, requestIdOf(request)));
  server.on('connect', (_request, socket) => endSocket(socket as Socket, NO_TUNNELS));
  return server;
};

/** Bodies come to handlers as bytes, of the media types of the endpoint. */
const takeBytes = (fastify: FastifyInstance, bodyMaxBytes: number): void => {
  fastify.removeAllContentTypeParsers();
  // The first is found without a search: it is what nearly all send.
  fastify.addContentTypeParser(['application/json', '*'], (request, payload, done) => {
    // Of a path that does not exist there is more to say than that its body is of the wrong type.
    // And what an endpoint does not take it does not read: a DELETE may come with anything, as a GET may.
    if (request.is404 || !takesBody(request.routeOptions.config)) return done(null);
    if (!isPlainJson(request.headers)) {
      const media = parseMediaType(request.headers, bodyTypesOf(request.routeOptions.config) ?? JSON_TYPES);
      if ('problem' in media) return done(new BodyRefused(media.problem));
    }
    // Fastify hands over the request itself as payload as long as no hook changes it.
    readBody(payload as IncomingMessage, bodyMaxBytes, (body) => {
      if (Buffer.isBuffer(body)) done(null, body);
      else if (body !== null) done(new BodyRefused(body));
    });
  });
};

/** To HEAD Fastify answers with a length in any case: of a 304, which is of no content, it would be a wrong one. */
const leaveOutLengthOfNothing = (fastify: FastifyInstance): void => {
  fastify.addHook('onRoute', (route) => {
    if (route.method !== 'HEAD') return;
    const onSend: NonNullable<RouteOptions['onSend']> = (_request, reply, payload, done) => {
      if (reply.statusCode === 304) void reply.removeHeader('content-length');
      done(null, payload);
    };
    // Fastify's own stands there already.
    route.onSend = [route.onSend ?? [], onSend].flat();
  });
};

/**
 * A process that was stopped for a while (SIGSTOP, a paused machine) runs its timers before it reads: Node's check for slow requests
 * would refuse those that came meanwhile. So one that comes late finds no limits, and the next one judges what was read. Ours is
 * of the same interval and begins just before Node's, which begins when the server listens: so it is called just before it each time.
 */
const readAfterStandstill = (server: Server, checkMs: number): void => {
  const { headersTimeout, requestTimeout } = server;
  server.prependOnceListener('listening', () => {
    let lastMs = performance.now();
    const check = setInterval(() => {
      const stoodStill = performance.now() - lastMs > 2 * checkMs;
      lastMs = performance.now();
      if (!stoodStill) return;
      Object.assign(server, { headersTimeout: 0, requestTimeout: 0 });
      setImmediate(() => Object.assign(server, { headersTimeout, requestTimeout }));
    }, checkMs);
    server.once('close', () => clearInterval(check));
  });
};

/**
 * Node closes the connections that are idle when a server begins to close, not those that become idle after it: they
 * would hold the stop until their keep-alive runs out.
 */
const letConnectionsGo = (server: Server): void => {
  if (!server.listening) return;
  const idle = setInterval(() => server.closeIdleConnections(), CLOSING_CHECK_MS);
  const all = setTimeout(() => server.closeAllConnections(), CLOSING_MAX_MS);
  server.once('close', () => {
    clearInterval(idle);
    clearTimeout(all);
  });
};

/** Carries the problem of a body through Fastify to the filter that answers. */
export class BodyRefused extends Error {
  readonly code = 'body-refused';
  readonly retryable = false;

  constructor(readonly problem: Problem) {
    super(problem.detail);
  }
}

const answer = (reply: FastifyReply, problem: Problem): void => {
  void reply.code(problemStatus(problem)).headers(problemHeaders(problem)).send(problemText(problem));
};

const HOST = /^(?:[A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])?(?::\d{0,5})?$/;
const hasGoodHost = (request: IncomingMessage): boolean => {
  const { host } = request.headers;
  return host === undefined ? request.httpVersion === '1.0' : HOST.test(host);
};

const CLOSE = { connection: 'close' };
const BAD_HOST: Problem = { code: 'bad-request', detail: 'The Host header is missing or malformed.', headers: CLOSE };
const BAD_EXPECTATION: Problem = {
  code: 'expectation-failed',
  detail: 'The Expect header is not 100-continue.',
  headers: CLOSE,
};
const NO_TUNNELS: Problem = {
  code: 'method-not-allowed',
  detail: 'CONNECT is not taken here.',
  headers: { ...CLOSE, allow: 'GET' },
};

const frameworkProblem = (code: string): Problem =>
  code === 'FST_ERR_MAX_PARAM_LENGTH'
    ? { code: 'uri-too-long', detail: 'A part of the path is longer than anything that has a name here.' }
    : { code: 'bad-request', detail: 'The path is not well formed: a percent sign is followed by no valid code.' };

const clientProblem = (error: { readonly code?: string }): Problem => {
  switch (error.code) {
    case 'HPE_HEADER_OVERFLOW':
      return {
        code: 'header-too-large',
        detail: `The headers are larger than ${HEADER_MAX_BYTES} bytes.`,
        headers: CLOSE,
      };
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return { code: 'request-timeout', detail: 'The request did not arrive in time.', headers: CLOSE };
    default:
      return {
        code: 'bad-request',
        detail: `The request could not be read as HTTP/1.1 (${error.code ?? 'unknown'}).`,
        headers: CLOSE,
      };
  }
};

/** Answers on a connection whose request could not be read, and closes it. */
const endSocket = (socket: Socket, problem: Problem): void => {
  if (!socket.writable || socket.destroyed) return void socket.destroy();
  const text = problemText(problem);
  const status = problemStatus(problem);
  const length = String(Buffer.byteLength(text));
  const headers = { ...problemHeaders(problem), [REQUEST_ID]: freshRequestId(), 'content-length': length };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${lines.join('')}\r\n${text}`, () =>
    socket.destroy(),
  );
};
