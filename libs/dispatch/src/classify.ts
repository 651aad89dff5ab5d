import { STATUS_CODES } from 'node:http';
import { NULL_TEXT, type ErrorInfo, type FailureClass, type JsonText } from '#domain';
import { parseStrictJson } from '#runtime';
import { retryAfterMs } from './retry-after.js';

/** What came back whole over HTTP. */
export type Answer = {
  readonly status: number;
  readonly contentType: string;
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
      readonly retryable: boolean;
      readonly retryAfterMs: number | null;
    };

/** Answers that another attempt would not change, by their meaning in RFC 9110. Redirects too, since none is followed. */
const PERMANENT = new Set([400, 401, 403, 404, 405, 406, 410, 411, 413, 414, 415, 422, 431, 451, 501, 505]);

/** Reads an answer: 2xx is the result, everything else a failure with a class and a name. */
export const classifyAnswer = (answer: Answer, nowMs: number, payloadMaxBytes: number): Verdict => {
  const { status } = answer;
  if (status < 200 || status > 299) return refused(answer, nowMs);
  const read = readBody(answer);
  if (typeof read !== 'string') return unusable(status, { name: 'Stepwell.InvalidAnswer', cause: read.detail });
  // As JSON an answer may be six times as long as it came, and then fit into no append.
  if (read.length * BYTES_A_CHARACTER_MAX <= payloadMaxBytes || Buffer.byteLength(read) <= payloadMaxBytes)
    return { succeeded: true, status, output: read };
  const cause = `the answer takes ${Buffer.byteLength(read)} bytes as JSON, the limit of a payload is ${payloadMaxBytes}`;
  return unusable(status, { name: 'Stepwell.PayloadTooLarge', cause });
};

const BYTES_A_CHARACTER_MAX = 3;

/** What is there and cannot be taken: the step may have executed, and would answer alike again. */
const unusable = (status: number, error: ErrorInfo): Verdict => failed('may-have-executed', status, error, false, null);

/** A fault of the exchange. Not executed only when no byte of the request was written. */
export const classifyFault = (fault: ExchangeFault): Verdict => {
  const retryable = fault.name !== 'Stepwell.PayloadTooLarge' && fault.name !== 'Stepwell.InvalidRequest';
  const error = { name: fault.name, cause: fault.cause };
  return failed(fault.sent ? 'may-have-executed' : 'not-executed', fault.status, error, retryable, null);
};

const failed = (
  failureClass: FailureClass,
  status: number | null,
  error: ErrorInfo,
  retryable: boolean,
  retryAfterMs: number | null,
): Verdict => ({ succeeded: false, class: failureClass, status, error, retryable, retryAfterMs });

const refused = (answer: Answer, nowMs: number): Verdict => {
  const { status } = answer;
  const retryable = !(status < 400 || PERMANENT.has(status));
  const error = namedError(answer) ?? {
    name: `HTTP.${status}`,
    cause: inWords(status),
  };
  return failed(
    status < 500 ? 'refused' : 'may-have-executed',
    status,
    error,
    retryable,
    retryAfterMs(answer.retryAfter, nowMs),
  );
};

/** What a bare status says to a person, who may not know its number. */
const inWords = (status: number): string => {
  const phrase = STATUS_CODES[status] === undefined ? '' : ` ${STATUS_CODES[status]}`;
  return `the application answered ${status}${phrase}${status < 400 ? '; redirects are never followed' : ''}`;
};

const NAME_MAX = 255;
const CAUSE_MAX = 4_096;

/** The name and cause that an application gives its error, `{ "error": name, "cause": … }`. */
const namedError = (answer: Answer): ErrorInfo | null => {
  if (!isJson(answer.contentType)) return null;
  const parsed = parseStrictJson(answer.body);
  if (parsed.status !== 'parsed') return null;
  const { value } = parsed;
  if (value === null || typeof value !== 'object' || !('error' in value)) return null;
  const name = value.error;
  if (typeof name !== 'string' || name === '' || name.length > NAME_MAX) return null;
  const cause = 'cause' in value ? value.cause : null;
  if (cause === null || cause === undefined) return { name, cause: null };
  const words = typeof cause === 'string' ? cause : JSON.stringify(cause);
  // A cut may leave half a character, which databases refuse.
  return { name, cause: words.slice(0, CAUSE_MAX).toWellFormed() };
};

const isJson = (contentType: string): boolean => /^application\/(?:json|[\w.+-]+\+json)(?:\s*;|$)/i.test(contentType);

// A byte order mark is part of a text that passes through: the next step gets the bytes that this one gave.
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The payload that an answer's body is: JSON parsed strictly, other types as text, empty as null. */
const readBody = (answer: Answer): JsonText | { readonly detail: string } => {
  if (answer.contentEncoding !== '' && answer.contentEncoding !== 'identity') {
    return { detail: `the answer is encoded as ${answer.contentEncoding.slice(0, 40)}, though none was offered` };
  }
  if (isJson(answer.contentType)) {
    if (answer.body.length === 0) return NULL_TEXT;
    const parsed = parseStrictJson(answer.body);
    if (parsed.status === 'parsed') return parsed.text;
    return { detail: `the answer is not the JSON it says it is: ${parsed.fault.detail}` };
  }
  if (answer.body.length === 0) return NULL_TEXT;
  try {
    return asText(JSON.stringify(utf8.decode(answer.body)));
  } catch {
    return { detail: `the answer (${answer.contentType.slice(0, 80) || 'no content type'}) is not UTF-8 text` };
  }
};

// What JSON.stringify gives is normalised: the brand says so.
const asText = (text: string): JsonText => text as JsonText;
