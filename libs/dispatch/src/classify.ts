import type { ErrorInfo, FailureClass, JsonText } from '#domain';
import { bodyStart, readBody } from './answer-body.js';
import { retryAfterMs } from './retry-after.js';
import { statedError } from './stated-error.js';

/** What came back whole over HTTP; of an answer that is not 2xx the beginning may be all that there is. */
export type Answer = {
  readonly status: number;
  readonly contentType: string;
  /** A list, its lines joined by commas. */
  readonly contentEncoding: string;
  readonly retryAfter: string | null;
  readonly body: Buffer;
};

/** Why no whole answer came. */
export type ExchangeFault = {
  readonly name:
    | 'Stepwell.InvalidRequest'
    | 'Stepwell.ConnectFailed'
    | 'Stepwell.Timeout'
    | 'Stepwell.ConnectionLost'
    | 'Stepwell.PayloadTooLarge'
    | 'Stepwell.InvalidAnswer';
  readonly cause: string;
  /** Whether a byte of the request may have left. */
  readonly sent: boolean;
  readonly status: number | null;
};

/** What an attempt came to, before anyone decides whether to try again. */
export type Verdict =
  | { readonly succeeded: true; readonly status: number; readonly output: JsonText }
  | {
      readonly succeeded: false;
      readonly class: FailureClass;
      readonly status: number | null;
      readonly error: ErrorInfo;
      /** The beginning of what came, as text; `null`: nothing did. */
      readonly body: string | null;
      readonly retryable: boolean;
      readonly retryAfterMs: number | null;
    };

/** Answers that another attempt would not change, by their meaning in RFC 9110. Redirects too, since none is followed. */
const PERMANENT = new Set([400, 401, 403, 404, 405, 406, 410, 411, 413, 414, 415, 422, 431, 451, 501, 505]);

export const isSuccess = (status: number): boolean => status >= 200 && status <= 299;

/** Reads an answer: 2xx is the result, everything else a failure with a class and a name. */
export const classifyAnswer = (answer: Answer, nowMs: number, payloadMaxBytes: number): Verdict => {
  const { status } = answer;
  if (!isSuccess(status)) return refused(answer, nowMs);
  const read = readBody(answer);
  if (typeof read !== 'string') return unusable(answer, { name: 'Stepwell.InvalidAnswer', cause: read.detail });
  // As JSON an answer may be six times as long as it came, and then fit into no append.
  if (read.length * BYTES_A_CHARACTER_MAX <= payloadMaxBytes || Buffer.byteLength(read) <= payloadMaxBytes)
    return { succeeded: true, status, output: read };
  const cause = `the answer takes ${Buffer.byteLength(read)} bytes as JSON, the limit of a payload is ${payloadMaxBytes}`;
  return unusable(answer, { name: 'Stepwell.PayloadTooLarge', cause });
};

const BYTES_A_CHARACTER_MAX = 3;

/** A fault of the exchange. Not executed only when no byte of the request was written. */
export const classifyFault = ({ name, cause, sent, status }: ExchangeFault): Verdict => ({
  succeeded: false,
  class: sent ? 'may-have-executed' : 'not-executed',
  status,
  error: { name, cause },
  body: null,
  retryable: name !== 'Stepwell.PayloadTooLarge' && name !== 'Stepwell.InvalidRequest',
  retryAfterMs: null,
});

const refused = (answer: Answer, nowMs: number): Verdict => {
  const { status } = answer;
  return {
    succeeded: false,
    class: status < 500 ? 'refused' : 'may-have-executed',
    status,
    error: statedError(answer),
    body: bodyStart(answer),
    retryable: !(status < 400 || PERMANENT.has(status)),
    retryAfterMs: retryAfterMs(answer.retryAfter, nowMs),
  };
};

/** What is there and cannot be taken: the step may have executed, and would answer alike again. */
const unusable = (answer: Answer, error: ErrorInfo): Verdict => ({
  succeeded: false,
  class: 'may-have-executed',
  status: answer.status,
  error,
  body: bodyStart(answer),
  retryable: false,
  retryAfterMs: null,
});
