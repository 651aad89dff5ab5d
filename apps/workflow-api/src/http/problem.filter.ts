import { Catch, HttpException, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import { Log, type LogFields } from '#runtime';
import { failureProblem } from './failures.js';
import { BodyRefused } from './api-adapter.js';
import { problemHeaders, problemStatus, problemText, type Problem, type ProblemCode } from './problems.js';
import { JSON_TYPES } from './request-body.js';
import { RouteTable } from './route-table.js';
import type { HttpReply, HttpRequest } from './exchange.js';

/** Answers every failure of a request as problem+json, those of Fastify and of Nest's router among them. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  constructor(
    private readonly routes: RouteTable,
    private readonly log: Log,
  ) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const reply = http.getResponse<HttpReply>();
    if (reply.sent || reply.raw.headersSent) {
      const fields = fieldsOf(http.getRequest<HttpRequest>());
      this.log.error('a request failed after its answer had begun', { ...fields, err: error });
      reply.raw.destroy();
      return;
    }
    const problem = this.#problemOf(error, http.getRequest<HttpRequest>());
    void reply.code(problemStatus(problem)).headers(problemHeaders(problem)).send(problemText(problem));
  }

  #problemOf(error: unknown, request: HttpRequest): Problem {
    if (error instanceof BodyRefused) return error.problem;
    if (error instanceof HttpException) return this.#problemOfStatus(error, request);
    return failureProblem(error, this.log, fieldsOf(request));
  }

  /** What a guard or a pipe has thrown, or Nest or Fastify in their own words: the status stays what it is. */
  #problemOfStatus(error: HttpException, request: HttpRequest): Problem {
    const status = error.getStatus();
    const isTheirs = isOfFastify(error.cause);
    if (status === 404 && request.is404) return notFound(request, this.routes);
    if (status === 415 && isTheirs) return MALFORMED_TYPE;
    const code = CODES[status] ?? (status >= 500 ? 'request-failed' : 'request-refused');
    if (code === 'internal-error' || status < 400) {
      return failureProblem(error, this.log, fieldsOf(request));
    }
    return { code, status, detail: isTheirs ? 'The request could not be read.' : sentence(error.message) };
  }
}

/** The codes of statuses that have one of their own. */
const CODES: Readonly<Partial<Record<number, ProblemCode>>> = {
  400: 'bad-request',
  401: 'unauthorized',
  403: 'forbidden',
  404: 'route-not-found',
  405: 'method-not-allowed',
  406: 'not-acceptable',
  408: 'request-timeout',
  409: 'conflict',
  412: 'precondition-failed',
  413: 'payload-too-large',
  414: 'uri-too-long',
  415: 'unsupported-media-type',
  417: 'expectation-failed',
  429: 'too-many-requests',
  431: 'header-too-large',
  500: 'internal-error',
  503: 'overloaded',
  507: 'storage-full',
};

/** Of the words of a problem each is a sentence. */
const sentence = (text: string): string => (/[.!?]$/.test(text) ? text : `${text}.`);

const isOfFastify = (cause: unknown): boolean => cause instanceof Error && cause.name === 'FastifyError';

/** The path without its query, which may hold what is the caller's alone. */
const fieldsOf = ({ id: requestId, method, url, params, routeOptions, runId }: HttpRequest): LogFields => {
  const [path] = url.split('?');
  if (typeof runId === 'string') return { requestId, method, path, runId };
  // Fastify leaves open what parameters a route has.
  const { id } = (params ?? {}) as { readonly id?: unknown };
  const isOfRun = typeof id === 'string' && routeOptions.url?.startsWith('/v1/runs/:id') === true;
  return { requestId, method, path, ...(isOfRun ? { runId: id } : undefined) };
};

const MALFORMED_TYPE: Problem = {
  code: 'unsupported-media-type',
  detail: 'The Content-Type is malformed.',
  headers: { accept: JSON_TYPES.join(', ') },
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
