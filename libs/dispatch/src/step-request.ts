import assert from 'node:assert/strict';
import { NULL_TEXT, type Run, type Step } from '#domain';
import type { RunId } from '#engine';
import { base32ToHex, stepIdempotencyKey, type Entropy, type Span } from '#runtime';
import { isJson } from './answer-body.js';
import type { ExchangeRequest } from './undici/undici-exchange.js';

export type Target = { readonly url: string; readonly origin: string; readonly path: string };

const TARGETS_MAX = 10_000;
const targets = new Map<string, Target>();

/** Origin and path of a step's URL; parsed once a URL, since a plan's URLs repeat with every run. */
export const targetOf = (url: string): Target => {
  const known = targets.get(url);
  if (known !== undefined) return known;
  const { origin, pathname, search } = new URL(url);
  const target = { url, origin, path: pathname + search };
  if (targets.size >= TARGETS_MAX) targets.clear();
  targets.set(url, target);
  return target;
};

export type RequestSource = {
  readonly runId: RunId;
  readonly run: Run;
  readonly step: Step;
  readonly attempt: number;
  readonly traceparent: string | null;
  /** Of this attempt, where attempts are traced. */
  readonly span: Span | null;
  readonly connectMs: number;
};

/** The POST of one attempt: the same idempotency key for all attempts of a step, a span of its own for each. */
export const stepRequest = (source: RequestSource, entropy: Entropy): ExchangeRequest => {
  const { run, step, runId } = source;
  assert(step.request !== null, `step ${step.key} of run ${runId} has no request`);
  const { url, headers: own, contentType, method } = step.request;
  const { origin, path } = targetOf(url);
  const withBody = method !== 'GET';
  const headers = [
    'idempotency-key',
    stepIdempotencyKey(runId, step.key),
    'stepwell-run-id',
    run.started.id,
    'stepwell-step',
    step.key,
    'stepwell-attempt',
    String(source.attempt),
    'traceparent',
    source.span?.traceparent ?? `00-${traceIdOf(source)}-${entropy.hex(8)}-01`,
    'accept-encoding',
    'identity',
  ];
  if (withBody) headers.push('content-type', contentType);
  if (run.started.correlationId !== null)
    headers.push('stepwell-correlation-id', headerText(run.started.correlationId));
  if (run.started.requestor !== null) headers.push('stepwell-requestor', headerText(run.started.requestor));
  for (const name in own) headers.push(name, own[name] ?? '');
  return {
    origin,
    path,
    method,
    headers,
    body: withBody ? bodyOf(step.input, contentType) : null,
    connectMs: source.connectMs,
  };
};

/** The caller's trace when it sent one, else one that the run's id gives, the same for all its attempts. */
const traceIdOf = ({ traceparent, runId }: RequestSource): string =>
  traceparent === null ? base32ToHex(runId) : traceparent.slice(3, 35);

/** What the attempts of a run are below: the request that started it, else a span that nobody has seen. */
export const parentOf = (traceparent: string | null, runId: RunId): string => {
  if (traceparent !== null) return traceparent;
  const traceId = base32ToHex(runId);
  return `00-${traceId}-${traceId.slice(0, 16)}-01`;
};

/** Text of a caller as a header value: what is not visible ASCII is percent-encoded. */
const headerText = (text: string): string => (/^[\x21-\x7e][\x20-\x7e]*$/.test(text) ? text : encodeURIComponent(text));

/** JSON as it is stored; under another content type a string is the body itself, byte for byte, and null is no text. */
const bodyOf = (input: string, contentType: string): string => {
  if (isJson(contentType)) return input;
  if (input === NULL_TEXT) return /^text\//i.test(contentType) ? '' : input;
  return input.startsWith('"') ? String(JSON.parse(input)) : input;
};
