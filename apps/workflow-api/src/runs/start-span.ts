import type { FastifyInstance } from 'fastify';
import type { Tracer } from '#runtime';
import type { HttpRequest } from '../http/exchange.js';
import { parseTraceparent } from '../http/traceparent.js';
import { START_RUN } from './endpoints/start-run.js';

/** Gives each start a span from the request to its answer, below the caller's. What the run leads to is below it. */
export const traceStarts = (fastify: FastifyInstance, tracer: Tracer): void => {
  fastify.addHook('onRequest', (request: HttpRequest, { raw: response }, done) => {
    if (request.method !== 'POST' || request.routeOptions.url !== START_RUN.path) return done();
    const { headers } = request.raw;
    const span = tracer.begin({
      name: `POST ${START_RUN.path}`,
      kind: 'server',
      parent: parseTraceparent(headers['traceparent']),
      attributes: { 'http.request.method': 'POST', 'http.route': START_RUN.path },
    });
    headers['traceparent'] = span.traceparent;
    response.on('close', () => {
      const { statusCode, writableFinished } = response;
      const ofRun = typeof request.runId === 'string' ? { 'stepwell.run_id': request.runId } : undefined;
      const failed = !writableFinished ? 'the client has gone' : statusCode >= 500 ? `HTTP ${statusCode}` : null;
      span.end({ 'http.response.status_code': statusCode, ...ofRun }, failed);
    });
    done();
  });
};
