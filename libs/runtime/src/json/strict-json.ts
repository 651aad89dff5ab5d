import { isUtf8 } from 'node:buffer';
import { endOfString, parseJson } from '#domain';
import { JSON_LIMITS, type JsonFault, type JsonLimits } from './json-fault.js';
import { canonicalJson } from './canonical-json.js';
import { parseAsWritten } from './json-number.js';
import { scanJson } from './scan-json.js';

/** A payload's text as it came, but for the space between its tokens. The same brand as the domain's `JsonText`. */
export type CompactJson = string & { readonly __brand: 'JsonText' };

export type StrictJson =
  | {
      readonly status: 'parsed';
      /** Its numbers are doubles: near to what was sent, and no more, where `held` is false. */
      readonly value: unknown;
      readonly text: CompactJson;
      /** Whether each number of `value` is the number of the text. */
      readonly held: boolean;
    }
  | { readonly status: 'refused'; readonly fault: JsonFault };

/** A text this long or shorter cannot hold `maxKeys` members: one takes 5 characters at least (`"":1,`). */
const MEMBER_CHARS_MIN = 5;

/**
 * Parses JSON that means one thing to every reader: UTF-8, no member twice, no NUL or half a character, bounded depth, members
 * and numbers. The text comes with the value, since that is what goes on: a number travels as it was written, also where
 * JavaScript cannot hold it. A byte order mark is skipped.
 *
 * Two stages, since this stands before every start and every answer. First `JSON.parse`: when `JSON.stringify` gives
 * back the same text but for space, then no member stood twice and no number was lost, and a few searches clear the
 * rest. All other texts are scanned (four times as slow), for their exact fault or for none.
 */
export const parseStrictJson = (input: Uint8Array | string, limits: JsonLimits = JSON_LIMITS): StrictJson => {
  const read = unicodeText(input);
  if (typeof read !== 'string') return { status: 'refused', fault: read };
  return parseAtOnce(read, limits) ?? parseScanned(read, limits);
};

/** The canonical form (RFC 8785) of what was parsed: of its digits, where a double does not hold a number. */
export const canonicalText = ({ value, text, held }: StrictJson & { status: 'parsed' }): string =>
  canonicalJson(held ? value : parseAsWritten(text));

/** The quick stage; `null` says nothing but that the text must be scanned. */
const parseAtOnce = (text: string, limits: JsonLimits): StrictJson | null => {
  if (!isPlain(text, limits)) return null;
  let value: unknown;
  try {
    // Not `parseJson`: a name that is read wrong is not written as in the text either, and then the text is scanned.
    value = JSON.parse(text);
  } catch {
    return null;
  }
  const again = JSON.stringify(value);
  // A reason for the `as`: this is the definition of the brand.
  return isSameButSpace(text, again) ? { status: 'parsed', value, text: again as CompactJson, held: true } : null;
};

/** Whether two texts differ in nothing but the space between tokens, which `compact` has none of. */
const isSameButSpace = (text: string, compact: string): boolean => {
  if (text === compact) return true;
  let inString = false;
  let at = 0;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code === compact.charCodeAt(at)) {
      at += 1;
      if (code === 0x22) {
        inString = !inString;
      } else if (code === 0x5c) {
        index += 1;
        if (text.charCodeAt(index) !== compact.charCodeAt(at)) return false;
        at += 1;
      }
    } else if (inString || !(code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09)) {
      return false;
    }
  }
  return at === compact.length;
};

/**
 * Whether the text can hold nothing that equality does not show: an escape (NUL, half a character, a spelt-out name),
 * a forbidden name, too many levels or members.
 */
const isPlain = (text: string, limits: JsonLimits): boolean =>
  !text.includes('\\u') &&
  !text.includes('__proto__') &&
  !text.includes('constructor') &&
  (text.length <= 2 * limits.maxDepth || isShallow(text, limits.maxDepth)) &&
  (text.length <= MEMBER_CHARS_MIN * limits.maxKeys || count(text, ':', limits.maxKeys) <= limits.maxKeys);

/** True when there are no more opening characters than levels, or else by walking. Strings only make it say no too often. */
const isShallow = (text: string, maxDepth: number): boolean => {
  const open = count(text, '{', maxDepth);
  if (open <= maxDepth && open + count(text, '[', maxDepth) <= maxDepth) return true;
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === 0x22) {
      at = endOfString(text, at) - 1;
    } else if (code === 0x7b || code === 0x5b) {
      if (++depth > maxDepth) return false;
    } else if (code === 0x7d || code === 0x5d) {
      depth -= 1;
    }
  }
  return true;
};

/** How often a character stands in a text; counting stops past `most`. */
const count = (text: string, char: string, most: number): number => {
  let found = 0;
  for (let at = text.indexOf(char); at !== -1 && found <= most; at = text.indexOf(char, at + 1)) found += 1;
  return found;
};

const parseScanned = (text: string, limits: JsonLimits): StrictJson => {
  const scanned = scanJson(text, limits);
  if (scanned.status === 'refused') return scanned;
  const { compact, held } = scanned;
  // A reason for the `as`: this is the definition of the brand.
  return { status: 'parsed', value: parseJson(compact), text: compact as CompactJson, held };
};

const BYTE_ORDER_MARK = 0xfeff;

/** The text of what was sent, past a byte order mark; the fault when the bytes are no UTF-8. */
export const unicodeText = (input: Uint8Array | string): string | JsonFault => {
  let text = input;
  if (typeof text !== 'string') {
    const fault = encodingFault(text);
    if (fault !== null) return fault;
    text = asBuffer(text).toString('utf8');
  }
  return text.charCodeAt(0) === BYTE_ORDER_MARK ? text.slice(1) : text;
};

/** Why bytes are no UTF-8 text; `null`: they are one. */
const encodingFault = (bytes: Uint8Array): JsonFault | null => {
  if (bytes.length > 1 && (bytes[0] === 0 || bytes[1] === 0))
    return refusedEncoding(bytes, 0, 'The text looks like UTF-16 or UTF-32: send UTF-8');
  if (isUtf8(bytes)) return null;
  return refusedEncoding(bytes, firstInvalid(bytes), 'The text is not UTF-8 from here on');
};

const refusedEncoding = (bytes: Uint8Array, at: number, detail: string): JsonFault => {
  const before = asBuffer(bytes.subarray(0, at));
  const lineStart = before.lastIndexOf(0x0a) + 1;
  let line = 1;
  for (const byte of before) if (byte === 0x0a) line += 1;
  return { code: 'invalid-encoding', detail, pointer: '', at, line, column: at - lineStart + 1 };
};

/** The first byte of the first sequence that is not UTF-8: by halving, with ends moved back to where a character begins. */
const firstInvalid = (bytes: Uint8Array): number => {
  let good = 0;
  let bad = bytes.length;
  while (bad - good > 8) {
    let middle = (good + bad) >> 1;
    for (let back = 0; back < 3 && (bytes[middle]! & 0xc0) === 0x80; back++) middle -= 1;
    if (isUtf8(bytes.subarray(good, middle))) good = middle;
    else bad = middle;
  }
  for (let length = 1; good < bad; length++) {
    if (isUtf8(bytes.subarray(good, good + length))) {
      good += length;
      length = 0;
    } else if (length === 4) break;
  }
  return good;
};

const asBuffer = (bytes: Uint8Array): Buffer =>
  Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
