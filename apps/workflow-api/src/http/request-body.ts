import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { splitHeader, unquoted } from './header-list.js';
import type { Problem } from './problems.js';

/** What is read and thrown away of a body that is too large, so that a client that still sends gets to see the answer. */
const DISCARDED_MAX_BYTES = 4 * 1024 * 1024;
const DISCARDED_MAX_MS = 1_000;

/**
 * Reads the whole body, at most `maxBytes`, and calls back once: with the bytes, with the problem to answer, or with
 * `null` when the client has gone. Nothing of a body past the limit is kept.
 */
export const readBody = (
  request: IncomingMessage,
  maxBytes: number,
  call: (body: Buffer | Problem | null) => void,
): void => {
  const chunks: Buffer[] = [];
  let bytes = 0;
  let cutOff: (() => void) | null = null;
  let done = false;
  const settle = (body: Buffer | Problem | null): void => {
    if (done) return;
    done = true;
    cutOff?.();
    call(body);
  };
  const tooLarge = (): void => {
    if (cutOff !== null) return;
    chunks.length = 0;
    const timer = setTimeout(() => settle(payloadTooLarge(maxBytes)), DISCARDED_MAX_MS);
    cutOff = () => clearTimeout(timer);
  };
  if (Number(request.headers['content-length'] ?? 0) > maxBytes) tooLarge();
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > maxBytes) tooLarge();
    if (cutOff === null) chunks.push(chunk);
    else if (bytes > maxBytes + DISCARDED_MAX_BYTES) settle(payloadTooLarge(maxBytes));
  });
  request.on('end', () => {
    if (cutOff !== null) settle(payloadTooLarge(maxBytes));
    else settle(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, bytes));
  });
  request.on('error', () => settle(null));
  request.on('close', () => settle(null));
};

const payloadTooLarge = (maxBytes: number): Problem => ({
  code: 'payload-too-large',
  detail: `The body is larger than ${maxBytes} bytes. The connection is closed.`,
  headers: { connection: 'close' },
});

export const JSON_TYPES = ['application/json'] as const;
export const DEFINITION_TYPES = [
  'application/json',
  'application/yaml',
  'application/x-yaml',
  'text/yaml',
  'text/x-yaml',
] as const;

/** What nearly every client sends, and every endpoint with a body takes. */
export const isPlainJson = (headers: IncomingHttpHeaders): boolean =>
  headers['content-type'] === JSON_TYPES[0] && headers['content-encoding'] === undefined;

/** The media type of the body in lower case, or why it is not taken: other types, other encodings, none at all. */
export const parseMediaType = (
  headers: IncomingHttpHeaders,
  known: readonly string[],
): { readonly type: string } | { readonly problem: Problem } => {
  if (isPlainJson(headers)) return { type: JSON_TYPES[0] };
  const header = headers['content-type'];
  const encoding = headers['content-encoding'];
  if (encoding !== undefined && splitHeader(encoding, ',').some((coding) => coding.toLowerCase() !== 'identity')) {
    return unsupported(`The body has Content-Encoding ${shown(encoding)}; send it as it is.`, known);
  }
  if (header === undefined) return unsupported('The body has no Content-Type.', known);
  const [type = '', ...parameters] = splitHeader(header.toLowerCase(), ';');
  if (!known.includes(type)) return unsupported(`The body has Content-Type ${shown(header)}.`, known);
  for (const parameter of parameters) {
    const charset = /^charset\s*=\s*(.*)$/.exec(parameter)?.[1];
    if (charset !== undefined && !['utf-8', 'utf8'].includes(unquoted(charset))) {
      return unsupported(`The body has the charset ${shown(unquoted(charset))}; send UTF-8.`, known);
    }
  }
  return { type };
};

const unsupported = (reason: string, known: readonly string[]): { readonly problem: Problem } => ({
  problem: {
    code: 'unsupported-media-type',
    detail: `${reason} Taken here: ${known.join(', ')}.`,
    headers: { accept: known.join(', ') },
  },
});

const shown = (text: string): string => JSON.stringify(text.slice(0, 80));
