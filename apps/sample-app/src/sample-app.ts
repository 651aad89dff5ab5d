import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

import { Ledger, type LedgerEntry } from './ledger.js';
import { performStep, STEPS } from './steps.js';

export type SampleAppOptions = {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** How many requests the ledger keeps; 0: none. */
  readonly ledgerMaxEntries: number;
  /** Called with each request to a step in the turn in which its head arrives, before its body is read. */
  readonly onArrival?: (entry: LedgerEntry) => void;
};

export type SampleApp = {
  readonly url: string;
  readonly ledger: Ledger;
  /** Ends every connection, answered or not. */
  readonly stop: () => Promise<void>;
};

const STEPS_PREFIX = '/steps/';
const BODY_BYTES_MAX = 4 * 1024 * 1024;
/** Longer than any caller's, so that it is never this side that closes a connection that is about to be used. */
const KEEP_ALIVE_MS = 120_000;

/** Starts the sample application: the peer that Stepwell calls in the demonstration, the tests and the measurements. */
export const startSampleApp = async (options: SampleAppOptions): Promise<SampleApp> => {
  const ledger = new Ledger(options.ledgerMaxEntries);
  const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS }, (request, response) => {
    const url = request.url ?? '/';
    if (url.startsWith(STEPS_PREFIX)) receiveStep(url, request, response, { ledger, onArrival: options.onArrival });
    else answerPage(url, request, response, ledger);
  });
  server.listen(options.port, options.host);
  await new Promise<void>((resolve, reject) => server.once('listening', resolve).once('error', reject));
  // A TCP server's address is never a pipe's name.
  const { port } = server.address() as AddressInfo;
  const stop = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return { url: `http://${options.host}:${port}`, ledger, stop };
};

type Books = { readonly ledger: Ledger; readonly onArrival: SampleAppOptions['onArrival'] };

const receiveStep = (url: string, request: IncomingMessage, response: ServerResponse, books: Books): void => {
  const { ledger, onArrival } = books;
  const mark = url.indexOf('?');
  const path = mark < 0 ? url : url.slice(0, mark);
  const name = path.slice(STEPS_PREFIX.length);
  const step = Object.hasOwn(STEPS, name) ? STEPS[name] : undefined;
  if (step === undefined) return send(response, 404, { error: 'Sample.NoSuchStep', cause: `there is no step ${name}` });
  const entry = ledger.arrive(arrivalOf(path, request));
  onArrival?.(entry);
  const query = mark < 0 ? null : new URLSearchParams(url.slice(mark + 1));
  const chunks: Buffer[] = [];
  let bytes = 0;
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > BODY_BYTES_MAX) request.destroy();
    chunks.push(chunk);
  });
  request.on('end', () => {
    const body = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
    performStep(name, step, { request, response, body, query, entry, ledger });
  });
};

/** Read from the raw list: building all headers as an object would cost more than the rest of a short step. */
const arrivalOf = (path: string, request: IncomingMessage): Parameters<Ledger['arrive']>[0] => {
  const arrival = { path, idempotencyKey: '', runId: '', step: '', attempt: 0 };
  const { rawHeaders } = request;
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]!;
    const value = rawHeaders[at + 1]!;
    if (name.length !== 15 && name.length !== 13 && name.length !== 16) continue;
    const lower = name.toLowerCase();
    if (lower === 'idempotency-key') arrival.idempotencyKey = value;
    else if (lower === 'stepwell-run-id') arrival.runId = value;
    else if (lower === 'stepwell-step') arrival.step = value;
    else if (lower === 'stepwell-attempt') arrival.attempt = Number(value);
  }
  return arrival;
};

const answerPage = (url: string, request: IncomingMessage, response: ServerResponse, ledger: Ledger): void => {
  if (url === '/ledger' && request.method === 'DELETE') {
    ledger.clear();
    return send(response, 200, ledger.summary());
  }
  if (url === '/ledger') {
    response.writeHead(200, { 'content-type': 'application/x-ndjson' });
    for (const entry of ledger.entries()) response.write(`${JSON.stringify(entry)}\n`);
    response.end();
    return undefined;
  }
  if (url === '/ledger/summary') return send(response, 200, ledger.summary());
  if (url === '/livez') return send(response, 200, { status: 'ok' });
  if (url !== '/') return send(response, 404, { error: 'Sample.NotFound', cause: `there is nothing at ${url}` });
  const steps = Object.keys(STEPS).map((name) => `POST ${STEPS_PREFIX}${name}`);
  return send(response, 200, {
    name: 'Stepwell sample application',
    steps,
    ledger: ['GET /ledger', 'GET /ledger/summary', 'DELETE /ledger'],
  });
};

const send = (response: ServerResponse, status: number, body: unknown): void => {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(`${JSON.stringify(body)}\n`);
};
