/** Why a JSON text is refused. Stable: part of the API's contract. */
export type JsonFaultCode =
  | 'malformed-json'
  | 'invalid-encoding'
  | 'duplicate-key'
  | 'forbidden-key'
  | 'number-out-of-range'
  | 'invalid-string'
  | 'too-deep'
  | 'too-many-keys';

/** What is wrong with a JSON text, and where: a value to answer with, not an exception. */
export type JsonFault = {
  readonly code: JsonFaultCode;
  readonly detail: string;
  /** JSON pointer of the member, element or (for text that is no JSON) the value that was being read. */
  readonly pointer: string;
  /** From 0, in UTF-16 units of the text; in bytes for `invalid-encoding`. */
  readonly at: number;
  /** From 1. */
  readonly line: number;
  /** From 1. */
  readonly column: number;
};

export type JsonLimits = {
  /** Arrays and objects inside each other; a scalar alone has depth 0. */
  readonly maxDepth: number;
  /** Members of all objects together. */
  readonly maxKeys: number;
};

export const JSON_LIMITS: JsonLimits = { maxDepth: 64, maxKeys: 100_000 };

/** One step of a JSON pointer (RFC 6901), escaped. */
export const pointerToken = (token: string | number): string => {
  if (typeof token === 'number') return `/${token}`;
  return `/${token.replaceAll('~', '~0').replaceAll('/', '~1')}`;
};

/** Line and column, from 1, of a place in a text. */
export const placeInText = (text: string, at: number): { line: number; column: number } => {
  let line = 1;
  let lineStart = 0;
  for (let next = text.indexOf('\n'); next !== -1 && next < at; next = text.indexOf('\n', lineStart)) {
    line += 1;
    lineStart = next + 1;
  }
  return { line, column: at - lineStart + 1 };
};
