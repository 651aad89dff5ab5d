import { canonicalNumber, NumberAsWritten } from './json-number.js';

/**
 * The canonical form of RFC 8785: members sorted by UTF-16 units, numbers and strings as ECMAScript writes them, no
 * space; a number that no double holds has all its digits. Two texts that mean the same have the same one, so its SHA-256 is
 * a fingerprint. For values out of JSON only: what JSON cannot hold is a bug of the caller.
 */
export const canonicalJson = (value: unknown): string => {
  if (typeof value !== 'object' || value === null) return scalar(value);
  if (Array.isArray(value)) {
    let out = '[';
    for (let index = 0; index < value.length; index++) out += (index === 0 ? '' : ',') + canonicalJson(value[index]);
    return `${out}]`;
  }
  if (value instanceof NumberAsWritten) return canonicalNumber(value.source);
  let out = '{';
  const keys = sortedKeys(value);
  for (let index = 0; index < keys.length; index++) {
    const key = keys[index]!;
    // A reason for the `as`: the names come from the object itself.
    const member = (value as Record<string, unknown>)[key];
    out += `${index === 0 ? '' : ','}${quoted(key)}:${canonicalJson(member)}`;
  }
  return `${out}}`;
};

/** Most objects have a few members, often in order, and sorting takes memory even then. */
const sortedKeys = (value: object): string[] => {
  const keys = Object.keys(value);
  for (let index = 1; index < keys.length; index++) if (keys[index - 1]! > keys[index]!) return keys.sort();
  return keys;
};

/** Names of most members need no escape, and the test is cheaper than `JSON.stringify`. */
const quoted = (text: string): string => (PLAIN_NAME.test(text) ? `"${text}"` : JSON.stringify(text));
const PLAIN_NAME = /^[\w.-]*$/;

const scalar = (value: unknown): string => {
  const text = JSON.stringify(value);
  if (text === undefined || (typeof value === 'number' && !Number.isFinite(value))) {
    throw new TypeError(`not a JSON value: ${String(value)}`);
  }
  return text;
};
