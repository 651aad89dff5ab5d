import type { FastPath } from '../http/fastify-adapter.js';
import { sendProblem } from '../http/raw-answer.js';
import type { HttpCounts } from '../http/http-counts.js';
import { readBody } from '../http/request-body.js';
import type { StartRunRoute } from './start-run.js';

/** Takes `POST /v1/runs` off the server before the framework sees it; every other request goes on. */
export const startFastPath = (start: StartRunRoute, bodyMaxBytes: number, counts: HttpCounts): FastPath => {
  const count = counts.ofRoute('POST', '/v1/runs');
  return (request, response) => {
    if (request.method !== 'POST' || request.url !== '/v1/runs') return false;
    response.on('finish', count);
    readBody(request, bodyMaxBytes, (body) => {
      if (Buffer.isBuffer(body)) start.handle(request.headers, body, response);
      else if (body !== null) sendProblem(response, body);
    });
    return true;
  };
};
