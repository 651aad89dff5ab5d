/** One line a code: the status, the title, and for `GET /problems/{code}` what it means and what to do about it. */
export const PROBLEMS = {
  'malformed-json': [400, 'The body is not JSON', 'Correct the syntax at the place that the detail names.'],
  'malformed-yaml': [400, 'The body is not YAML', 'Correct the syntax at the place that the detail names.'],
  'duplicate-key': [
    400,
    'An object names a member twice',
    'Two readers would see two documents; name each member once.',
  ],
  'forbidden-key': [
    400,
    'A member has a forbidden name',
    '`__proto__` and `constructor.prototype` are refused everywhere.',
  ],
  'number-out-of-range': [
    400,
    'A number is too long or too large',
    'Numbers are kept as they are written, up to 1,000 characters and an exponent of ±1,000; send it as a string.',
  ],
  'invalid-encoding': [400, 'The body is not UTF-8', 'Encode it as UTF-8.'],
  'invalid-string': [
    400,
    'A string holds NUL or half a surrogate pair',
    'Databases and other readers refuse such text; encode binary as base64.',
  ],
  'too-deep': [400, 'The document is nested too deeply', 'Flatten it, or send it as a string.'],
  'too-many-keys': [400, 'The document has too many members', 'Split it, or send it as a string.'],
  'bad-request': [400, 'The request is not valid HTTP', 'The detail says what could not be read.'],
  'validation-failed': [
    400,
    'The request does not have the expected form',
    'Each entry of `errors` points at a place and says what is expected there.',
  ],
  'invalid-definition': [
    400,
    'The definition has errors',
    'Each entry of `errors` points at a place; POST /v1/workflows/validate shows all findings.',
  ],
  'idempotency-key-missing': [
    400,
    'The request needs an Idempotency-Key',
    'Send a header `Idempotency-Key` that names this one intent, and repeat it when you repeat the request.',
  ],
  'idempotency-key-invalid': [
    400,
    'The Idempotency-Key is malformed',
    'One header line, 1 to 255 visible ASCII characters, bare or in double quotes.',
  ],
  'request-refused': [
    400,
    'The request is refused',
    'The detail says why. It comes with any status from 400 to 499 that has no name of its own here.',
  ],
  unauthorized: [401, 'The request does not say who asks', 'The detail says what it has to bear.'],
  forbidden: [403, 'The request is not allowed', 'The detail says why, where that may be said.'],
  'cursor-invalid': [
    400,
    'The cursor is not one of this list',
    'Use `nextCursor` of a page of the same list, unchanged.',
  ],
  'route-not-found': [404, 'There is nothing at this address', 'The paths are in /openapi.json and at /docs.'],
  'workflow-not-found': [
    404,
    'There is no such workflow',
    'The detail names the nearest ones; GET /v1/workflows lists all.',
  ],
  'version-not-found': [404, 'The workflow has no such version', 'GET /v1/workflows/{name}/versions lists them.'],
  'draft-not-found': [404, 'The workflow has no draft', 'Save one by PUT /v1/workflows/{name}/draft.'],
  'run-not-found': [404, 'There is no such run', 'The id comes from the answer to the start, suffix included.'],
  'step-not-found': [
    404,
    'The run has no such step',
    'The detail names the nearest ones; GET /v1/runs/{id} shows all.',
  ],
  'step-not-reached': [
    404,
    'The run has not reached this step',
    'The definition has it. Ask again when the run is there, or see `steps` of GET /v1/runs/{id}.',
  ],
  'event-type-not-found': [404, 'There is no such type of event', 'All types are in docs/events.md.'],
  'payload-not-found': [
    404,
    'The run has no payload there',
    'Take the address as it stands in `whole` of a cut payload of GET /v1/runs/{id}.',
  ],
  'problem-not-found': [404, 'There is no such problem', 'GET /problems lists them.'],
  'method-not-allowed': [405, 'The address does not take this method', 'The `Allow` header names those that it takes.'],
  'not-acceptable': [
    406,
    'The answer has no form that you accept',
    'Accept application/json, or text/event-stream where events are streamed.',
  ],
  'request-timeout': [
    408,
    'The request did not arrive in time',
    'Send it again over a connection that is fast enough.',
  ],
  'run-ended': [409, 'The run has ended', 'An ended run does not change.'],
  'workflow-archived': [409, 'The workflow is archived', 'Publish a version to bring it back.'],
  conflict: [409, 'The state does not allow this', 'The detail says what stands against it.'],
  'run-archived': [
    410,
    'The run is archived',
    'It ended long ago and its history is in `file`: `npm run archive:read -- <file> --run <id>` shows it. Nothing starts under its key again.',
  ],
  'precondition-failed': [412, 'It is not as you saw it', 'Read it again, and send its ETag in If-Match.'],
  'payload-too-large': [413, 'The body is larger than the limit', 'Keep large content elsewhere and send its address.'],
  'uri-too-long': [414, 'A part of the address is too long', 'Names are at most 64 characters, keys of steps 1,024.'],
  'unsupported-media-type': [
    415,
    'The body has a type that is not taken here',
    'The `Accept` header of the answer names the types; encode as UTF-8, without Content-Encoding.',
  ],
  'expectation-failed': [417, 'The Expect header asks for something unknown', 'Only `100-continue` is known.'],
  'idempotency-key-reused': [
    422,
    'The Idempotency-Key belongs to another request',
    'Use a fresh key for another intent, or send the first payload again.',
  ],
  'step-unknown': [422, 'The definition has no such step', 'The detail names the nearest ones.'],
  'too-many-requests': [429, 'There are too many requests', 'Send fewer, and this one again after a while.'],
  'header-too-large': [431, 'The headers are larger than the limit', 'Send fewer or shorter headers.'],
  'internal-error': [500, 'Stepwell has made a mistake', 'The log of the server holds the reason.'],
  'run-parked': [
    500,
    'A mistake of the server has stopped this run',
    'The log of the server holds more; report that line. The run is tried again when the server starts again, or another takes it over.',
  ],
  'request-failed': [
    500,
    'The request has failed',
    'The detail says why. It comes with any status from 500 on that has no name of its own here.',
  ],
  'storage-unavailable': [
    503,
    'The event store does not answer',
    'Send the same request again, with the same Idempotency-Key.',
  ],
  'storage-full': [
    507,
    'The disk of the event log is full',
    'Reads go on. Whoever runs the server makes room; then send the same request again.',
  ],
  'view-behind': [503, 'The view has not reached that position yet', 'Ask again after the time in Retry-After.'],
  overloaded: [503, 'The server has no room for this now', 'Ask again after the time in Retry-After.'],
  'not-ready': [503, 'The server is not ready', 'The detail names the parts that are not.'],
  stopping: [503, 'The server is stopping', 'Send the same request again, with the same Idempotency-Key.'],
} as const satisfies Record<string, readonly [status: number, title: string, help: string]>;

export type ProblemCode = keyof typeof PROBLEMS;

/** One place that is wrong: a JSON pointer into the body, or the name of a header or parameter. */
export type ProblemPlace = {
  readonly pointer: string;
  readonly detail: string;
  readonly line?: number | null;
  readonly column?: number | null;
};

export type Problem = {
  readonly code: ProblemCode;
  readonly detail: string;
  /** Where it is not the one of its code. */
  readonly status?: number;
  readonly errors?: readonly ProblemPlace[];
  /** Of `run-archived`: where the run is. */
  readonly file?: string;
  readonly headers?: Readonly<Record<string, string>>;
};

/** Carries a problem to the one place that answers with it. Thrown only at the HTTP edge. */
export class HttpProblem extends Error {
  readonly code: ProblemCode;
  readonly retryable: boolean;

  constructor(
    readonly problem: Problem,
    options?: ErrorOptions,
  ) {
    super(problem.detail, options);
    this.code = problem.code;
    this.retryable = problemStatus(problem) === 503;
  }
}

export const problemStatus = ({ code, status = PROBLEMS[code][0] }: Pick<Problem, 'code' | 'status'>): number => status;

/** The body of RFC 9457; `type` is an address of this server that explains the problem. */
export const problemText = ({ code, status, detail, errors, file }: Problem): string => {
  const [usual, title] = PROBLEMS[code];
  return JSON.stringify({
    type: `/problems/${code}`,
    title,
    status: status ?? usual,
    detail,
    code,
    errors: errors ?? [],
    file,
  });
};

export const PROBLEM_TYPE = 'application/problem+json; charset=utf-8';

/** Seconds after which a client may try again what failed for a moment. */
const RETRY_AFTER_SECONDS = '1';

/** Headers of a problem's answer, its own included. */
export const problemHeaders = (problem: Problem): Record<string, string> => ({
  'content-type': PROBLEM_TYPE,
  'cache-control': 'no-store',
  ...(problemStatus(problem) === 503 ? { 'retry-after': RETRY_AFTER_SECONDS } : undefined),
  ...problem.headers,
});
