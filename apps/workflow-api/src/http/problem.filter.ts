import { Catch, HttpException, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import type { Log, LogFields } from '#runtime';
import { failureProblem } from './failures.js';
import { BodyRefused } from './fastify-adapter.js';
import { problemHeaders, problemStatus, problemText, type Problem } from './problems.js';
import { JSON_TYPES } from './request-body.js';
import type { RouteTable } from './route-table.js';
import type { HttpReply, HttpRequest } from './exchange.js';
import { requestIdOf } from './request-id.js';

/** Answers every failure of a request as problem+json, those of Fastify and of Nest's router among them. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  readonly #routes: RouteTable;
  readonly #log: Log;

  constructor(routes: RouteTable, log: Log) {
    this.#routes = routes;
    this.#log = log;
  }

  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const reply = http.getResponse<HttpReply>();
    if (reply.sent || reply.raw.headersSent) {
      const fields = fieldsOf(http.getRequest<HttpRequest>());
      const requestId = requestIdOf(reply.raw);
      this.#log.error('a request failed after its answer had begun', { requestId, ...fields, err: error });
      reply.raw.destroy();
      return;
    }
    const problem = this.#problemOf(error, http.getRequest<HttpRequest>(), reply);
    void reply.code(problemStatus(problem.code)).headers(problemHeaders(problem)).send(problemText(problem));
  }

  #problemOf(error: unknown, request: HttpRequest, reply: HttpReply): Problem {
    if (error instanceof BodyRefused) return error.problem;
    switch (statusOf(error)) {
      case 404:
        return notFound(request, this.#routes);
      case 415:
        return MALFORMED_TYPE;
      case 400:
      case 413:
        // Fastify's own words on a body; ours come as `BodyRefused`.
        return { code: 'bad-request', detail: 'The request could not be read.' };
      default:
        return failureProblem(error, this.#log, { response: reply.raw, fields: fieldsOf(request) });
    }
  }
}

/** The path without its query, which may hold what is the caller's alone. */
const fieldsOf = ({ method, url, params, routeOptions }: HttpRequest): LogFields => {
  const [path] = url.split('?');
  // Fastify leaves open what parameters a route has.
  const { id } = (params ?? {}) as { readonly id?: unknown };
  const isOfRun = typeof id === 'string' && routeOptions.url?.startsWith('/v1/runs/:id') === true;
  return { method, path, ...(isOfRun ? { runId: id } : undefined) };
};

const MALFORMED_TYPE: Problem = {
  code: 'unsupported-media-type',
  detail: 'The Content-Type is malformed.',
  headers: { accept: JSON_TYPES.join(', ') },
};

/** The status that Fastify or Nest would answer with; our own failures bear none. */
const statusOf = (error: unknown): number | null => {
  if (error instanceof HttpException) return error.getStatus();
  const isTheirs =
    typeof error === 'object' && error !== null && 'statusCode' in error && typeof error.statusCode === 'number';
  return isTheirs ? (error as { readonly statusCode: number }).statusCode : null;
};

const notFound = ({ method, url }: HttpRequest, routes: RouteTable): Problem => {
  const [path = ''] = url.split('?');
  const methods = routes.methodsOf(path);
  if (methods.length === 0 || methods.includes(method)) {
    return { code: 'route-not-found', detail: `There is nothing at ${JSON.stringify(path.slice(0, 200))}.` };
  }
  const allow = methods.join(', ');
  return {
    code: 'method-not-allowed',
    detail: `${method} is not taken at this path; ${allow} are.`,
    headers: { allow },
  };
};
