import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import type { RunId } from '#engine';
import type { Tracer } from '#runtime';
import { parseTraceparent } from '../http/traceparent.js';

/** The span of a start: from the request to its answer, below the caller's. What the run leads to is below it. */
export type StartSpan = { readonly traceparent: string; runId: RunId | null };

export const startSpan = (tracer: Tracer, headers: IncomingHttpHeaders, response: ServerResponse): StartSpan => {
  const span = tracer.begin({
    name: 'POST /v1/runs',
    kind: 'server',
    parent: parseTraceparent(headers['traceparent']),
    attributes: { 'http.request.method': 'POST', 'http.route': '/v1/runs' },
  });
  const started: StartSpan = { traceparent: span.traceparent, runId: null };
  response.on('close', () => {
    const { statusCode, writableFinished } = response;
    const ofRun = started.runId === null ? undefined : { 'stepwell.run_id': started.runId };
    const failed = !writableFinished ? 'the client has gone' : statusCode >= 500 ? `HTTP ${statusCode}` : null;
    span.end({ 'http.response.status_code': statusCode, ...ofRun }, failed);
  });
  return started;
};
