import type { IncomingMessage, ServerResponse } from 'node:http';

import type { Ledger, LedgerEntry } from './ledger.js';

/** One request to a step, its body read. */
export type Call = {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly body: Buffer;
  readonly query: URLSearchParams | null;
  readonly entry: LedgerEntry;
  readonly ledger: Ledger;
};

/** A step answers its call, or deliberately does not. */
export type StepHandler = (call: Call) => void;

const JSON_HEADERS = ['content-type', 'application/json'];
const DRIP_INTERVAL_MS = 200;
const HUGE_BYTES = 1024 * 1024;
const SLOW_MS = 1000;

/** The steps of the sample application: those of the demonstration, and one for every way a peer may behave. */
export const STEPS: Readonly<Record<string, StepHandler>> = {
  'create-user': (call) => succeed(call, withId(call)),
  'send-email': (call) => succeed(call, '{"sent":true}'),
  'send-analytics': (call) => succeed(call, '{"recorded":true}'),
  slow: (call) => {
    const delayMs = amount(call, 'delayMs', SLOW_MS);
    setTimeout(() => succeed(call, `{"delayMs":${delayMs}}`), delayMs);
  },
  flaky: (call) => {
    const failures = amount(call, 'failures', 2);
    if (call.ledger.failsNow(call.entry.idempotencyKey, failures)) fail(call, amount(call, 'status', 503));
    else succeed(call, `{"failedFirst":${failures}}`);
  },
  refuse: (call) => {
    const error = call.query?.get('error') ?? 'Sample.Refused';
    const cause = call.query?.get('cause') ?? 'the sample application was asked to refuse';
    answer(call, amount(call, 'status', 422), JSON_HEADERS, JSON.stringify({ error, cause }));
  },
  accepted: (call) => {
    call.ledger.apply(call.entry);
    answer(call, 202, JSON_HEADERS, '{"accepted":true}');
  },
  empty: (call) => {
    call.ledger.apply(call.entry);
    answer(call, 204, [], null);
  },
  text: (call) => {
    call.ledger.apply(call.entry);
    answer(call, 200, ['content-type', 'text/plain; charset=utf-8'], call.body);
  },
  echo: (call) => {
    const { method, url, headers } = call.request;
    succeed(call, JSON.stringify({ method, url, headers, body: call.body.toString() }));
  },
  'black-hole': () => {},
  drip: (call) => drip(call),
  reset: (call) => {
    const failures = amount(call, 'failures', Number.POSITIVE_INFINITY);
    if (call.ledger.failsNow(call.entry.idempotencyKey, failures)) call.request.socket.resetAndDestroy();
    else succeed(call, `{"resetFirst":${failures}}`);
  },
  huge: (call) => succeed(call, JSON.stringify('x'.repeat(amount(call, 'bytes', HUGE_BYTES)))),
  'invalid-json': (call) => succeed(call, '{"id":1,'),
  redirect: (call) => answer(call, amount(call, 'status', 302), ['location', '/steps/echo'], null),
  'retry-after': (call) => {
    const { ledger, entry } = call;
    if (!ledger.failsNow(entry.idempotencyKey, amount(call, 'failures', 1))) return succeed(call, '{"waited":true}');
    const after = call.query?.get('after') ?? '1';
    const body = '{"error":"Sample.Busy","cause":"come back later, as Retry-After says"}';
    answer(call, amount(call, 'status', 503), [...JSON_HEADERS, 'retry-after', after], body);
  },
};

/**
 * Performs a step, after what the call asks of any step: `?delayMs=` before the answer, `?failures=` failing answers
 * first, or the same by the input: `{ "failing": { "send-email": 2 } }`.
 */
export const performStep = (name: string, step: StepHandler, call: Call): void => {
  const { query, ledger, entry } = call;
  const ownFailures = name === 'flaky' || name === 'reset' || name === 'retry-after';
  const failures = ownFailures ? 0 : Number(query?.get('failures') ?? failingByInput(name, call.body));
  if (failures > 0 && ledger.failsNow(entry.idempotencyKey, failures)) return fail(call, 503);
  const delayMs = name === 'slow' ? 0 : Number(query?.get('delayMs') ?? 0);
  if (delayMs > 0) setTimeout(() => step(call), delayMs);
  else step(call);
};

const failingByInput = (name: string, body: Buffer): number => {
  if (!body.includes('"failing"')) return 0;
  const input: unknown = parsed(body);
  if (!isRecord(input) || !isRecord(input['failing'])) return 0;
  return Number(input['failing'][name] ?? 0);
};

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;

const parsed = (body: Buffer): unknown => {
  try {
    return JSON.parse(body.toString());
  } catch {
    return null;
  }
};

/** A number that the query or the input gives. */
const amount = (call: Call, name: string, otherwise: number): number => {
  const asked = call.query?.get(name);
  if (asked !== null && asked !== undefined) return Number(asked);
  if (!call.body.includes(name)) return otherwise;
  const input = parsed(call.body);
  return isRecord(input) && typeof input[name] === 'number' ? input[name] : otherwise;
};

/** The user: what was sent, with an id that is the same for every attempt. Not parsed: this stands in measurements. */
const withId = (call: Call): string => {
  const id = `"id":"user-${call.entry.idempotencyKey.slice(0, 8)}"`;
  const body = call.body.toString();
  if (!body.startsWith('{')) return `{${id}}`;
  return /^\{\s*\}/.test(body) ? `{${id}}` : `{${id},${body.slice(1)}`;
};

const succeed = (call: Call, json: string): void => {
  call.ledger.apply(call.entry);
  answer(call, 200, JSON_HEADERS, json);
};

const fail = (call: Call, status: number): void =>
  answer(
    call,
    status,
    JSON_HEADERS,
    '{"error":"Sample.Unavailable","cause":"the sample application was asked to fail"}',
  );

const answer = (call: Call, status: number, headers: readonly string[], body: string | Buffer | null): void => {
  const { response, entry } = call;
  entry.status = status;
  response.sendDate = false;
  const length = body === null ? 0 : Buffer.byteLength(body);
  response.writeHead(status, status === 204 ? [...headers] : [...headers, 'content-length', String(length)]);
  response.end(body ?? undefined);
};

/** One byte at a time for as long as the peer listens (or `?bytes=` of them, as a JSON string). */
const drip = (call: Call): void => {
  const bytes = amount(call, 'bytes', Number.POSITIVE_INFINITY);
  const { response, entry } = call;
  entry.status = 200;
  call.ledger.apply(entry);
  response.writeHead(200, JSON_HEADERS);
  response.write('"');
  let sent = 0;
  const timer = setInterval(
    () => {
      if (sent++ < bytes) response.write('.');
      else response.end('"');
    },
    amount(call, 'intervalMs', DRIP_INTERVAL_MS),
  );
  response.on('close', () => clearInterval(timer));
};
