import type { ServerResponse } from 'node:http';
import { REQUEST_ID } from './request-id.js';
import { problemHeaders, problemStatus, problemText, type Problem } from './problems.js';

export const JSON_TYPE = 'application/json; charset=utf-8';

/** Writes an answer of JSON text at once. A client that has gone is no reason to fail. */
const sendText = (
  response: ServerResponse,
  status: number,
  headers: Readonly<Record<string, string>>,
  text: string,
): void => {
  if (response.headersSent || response.destroyed) return;
  const bytes = Buffer.byteLength(text);
  response.writeHead(status, { 'content-type': JSON_TYPE, 'content-length': bytes, ...headers });
  // As many bytes as characters: all of it is ASCII, which both encodings write alike, Latin-1 by a plain copy.
  response.end(text, bytes === text.length ? 'latin1' : 'utf8');
};

export const sendProblem = (response: ServerResponse, problem: Problem, requestId: string): void => {
  const headers = { ...problemHeaders(problem), [REQUEST_ID]: requestId };
  sendText(response, problemStatus(problem), headers, problemText(problem));
};
