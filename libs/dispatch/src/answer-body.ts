import { TextDecoder } from 'node:util';
import { NULL_TEXT, type JsonText } from '#domain';
import { parseStrictJson } from '#runtime';
import type { Answer } from './classify.js';

/** How much of the body of a failed answer stays with its attempt. */
const KEPT_MAX_BYTES = 4_096;

/** The payload that an answer's body is: JSON parsed strictly, other types as text. Else why it cannot be taken. */
export const readBody = (answer: Answer): JsonText | { readonly detail: string } => {
  const { body, contentType } = answer;
  if (body.length === 0) return emptyBody(answer);
  const encoding = encodingOf(answer);
  if (encoding !== null) return { detail: `the answer is encoded as ${encoding}, though none was offered` };
  return isJson(contentType) ? readJson(body) : readText(body, contentType);
};

/** Of an answer and of a request alike. */
export const isJson = (contentType: string): boolean =>
  contentType === 'application/json' || JSON_TYPE.test(contentType);

const JSON_TYPE = /^application\/(?:json|[\w.+!#$&^-]+\+json)\s*(?:;|$)/i;

/** Nothing is null, but that a text may be empty. */
const emptyBody = ({ status, contentType }: Answer): JsonText =>
  status !== 204 && status !== 205 && /^text\//i.test(contentType) ? asText('""') : NULL_TEXT;

/** What a body is encoded as; `null` when it is not, as under a list of nothing but `identity`. */
export const encodingOf = ({ contentEncoding }: Answer): string | null => {
  if (contentEncoding === '') return null;
  const codings = contentEncoding.split(',').map((coding) => coding.trim());
  return codings.find((coding) => coding !== '' && coding.toLowerCase() !== 'identity')?.slice(0, 40) ?? null;
};

const readJson = (body: Buffer): JsonText | { readonly detail: string } => {
  const parsed = parseStrictJson(body);
  if (parsed.status === 'parsed') return parsed.text;
  return { detail: `the answer is not the JSON it says it is: ${parsed.fault.detail}` };
};

const readText = (body: Buffer, contentType: string): JsonText | { readonly detail: string } => {
  const charset = charsetOf(contentType);
  const decoder = decoderOf(charset, body);
  if (decoder === null) return { detail: `the answer is text in ${charset.slice(0, 40)}, which is no known charset` };
  let text: string;
  try {
    text = decoder.decode(body);
  } catch {
    return { detail: `the answer (${contentType.slice(0, 80) || 'no content type'}) is not text in ${charset}` };
  }
  // It could go no further: not back to us in JSON, not into a database.
  if (text.includes('\0')) return { detail: 'the answer holds a NUL character, which no payload may hold' };
  return asText(JSON.stringify(text));
};

const charsetOf = (contentType: string): string => {
  const { quoted, bare } = /;\s*charset\s*=\s*(?:"(?<quoted>[^"]*)"|(?<bare>[^\s;]+))/i.exec(contentType)?.groups ?? {};
  return quoted ?? bare ?? 'utf-8';
};

/** One a charset; there are some two hundred labels, and what is none is not kept. */
const decoders = new Map<string, TextDecoder>();

/** `null`: there is no such charset. */
const decoderOf = (charset: string, body: Buffer): TextDecoder | null => {
  const given = charset.toLowerCase();
  // The mark tells which half comes first, where the name does not.
  const label = given === 'utf-16' && body[0] === 0xfe && body[1] === 0xff ? 'utf-16be' : given;
  const known = decoders.get(label);
  if (known !== undefined) return known;
  try {
    // A mark of UTF-8 is part of a text that passes through: the next step gets the bytes that this one gave.
    const decoder = new TextDecoder(label, { fatal: true, ignoreBOM: label === 'utf-8' });
    decoders.set(label, decoder);
    return decoder;
  } catch {
    return null;
  }
};

/** The beginning of a body as text, whatever it is, for people to read; `null` when there is none. */
export const bodyStart = ({ body, contentType }: Answer): string | null => {
  if (body.length === 0) return null;
  const charset = decoderOf(charsetOf(contentType), body)?.encoding ?? 'utf-8';
  // The cut may go through a character: what is missing of it is waited for, and never comes.
  const text = new TextDecoder(charset).decode(body.subarray(0, KEPT_MAX_BYTES), { stream: true });
  return text.replaceAll('\0', '\ufffd');
};

// What JSON.stringify gives is normalised: the brand says so.
const asText = (text: string): JsonText => text as JsonText;
