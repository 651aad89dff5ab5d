import type { JsonText } from '../payload.js';
import { isLongerThan } from '../payload.js';
import { EXPRESSION_PATTERN, EXPRESSION_UNAVAILABLE, hasExpression } from './expression.js';
import { below } from './finding.js';
import { refuse, type JsonSchema, type Kind, type Place } from './member-kind.js';
import { isRecord } from './record.js';

/** Deeper constants would make a run's payload that its own parser refuses. */
const CONSTANT_DEPTH_MAX = 64;

/** The schema of any value inside a constant: whatever its depth, no text of it holds an expression. */
export const CONSTANT_SCHEMA: JsonSchema = {
  description: 'Any JSON, but no expression ({% … %}) in its strings: this version has none.',
  not: { type: 'string', pattern: EXPRESSION_PATTERN },
  items: { $ref: '#/$defs/Constant' },
  additionalProperties: { $ref: '#/$defs/Constant' },
};

const SCRIPT_SCHEMA = { type: 'object', required: ['js'], properties: { js: { type: 'string' } }, maxProperties: 1 };

/** A JSON constant that stands instead of what flows; what would not be one is found: expressions, scripts, and numbers that only YAML can write. */
export const constant: Kind<JsonText> = {
  schema: () => ({ $ref: '#/$defs/Constant', not: SCRIPT_SCHEMA }),
  read: (value, place) => {
    if (isRecord(value) && Object.keys(value).length === 1 && typeof value['js'] === 'string')
      return refuse(place, 'Scripts ({ js: … }) are not available in this version: only a constant is');
    const written = valueAt(place.written, place.pointer);
    if (!isConstant(value, written, place, 0)) return undefined;
    const text: string | undefined = JSON.stringify(written);
    if (text === undefined || !isPayload(text)) return undefined;
    const maxBytes = place.limits.payloadMaxBytes;
    return isLongerThan(text, maxBytes) ? refuse(place, `${place.label} takes more than ${maxBytes} bytes`) : text;
  },
};

/** Text of `JSON.stringify` is what the brand says. */
const isPayload = (_text: string): _text is JsonText => true;

const isConstant = (value: unknown, written: unknown, place: Place, depth: number): boolean => {
  const flaw =
    depth > CONSTANT_DEPTH_MAX ? `A constant may be nested ${CONSTANT_DEPTH_MAX} levels deep` : flawOf(value, written);
  if (flaw !== null) {
    refuse(place, flaw);
    return false;
  }
  if (typeof value !== 'object' || value === null) return true;
  // All of it is looked at, since all findings come at once.
  let good = true;
  for (const [key, member] of Object.entries(value)) {
    const at = { ...place, pointer: below(place.pointer, key) };
    if (!isConstant(member, memberOf(written, key), at, depth + 1)) good = false;
  }
  return good;
};

const flawOf = (value: unknown, written: unknown): string | null => {
  switch (typeof value) {
    case 'string':
      return hasExpression(value) ? EXPRESSION_UNAVAILABLE : null;
    case 'number':
      // A number past all doubles is one all the same, as it is written.
      if (Number.isFinite(value) || typeof written === 'object') return null;
      return `${value} is no number in JSON: send it as a string`;
    case 'boolean':
    case 'object':
      return null;
    default:
      return 'This is no JSON value';
  }
};

/** A member or an element, by the token of its pointer. */
const memberOf = (value: unknown, token: string): unknown => {
  if (Array.isArray(value)) return value[Number(token)];
  return isRecord(value) ? value[token] : undefined;
};

/** What stands at a pointer of a document. */
const valueAt = (document: unknown, pointer: string): unknown => {
  let value = document;
  for (const token of pointer.split('/').slice(1)) {
    value = memberOf(value, token.replaceAll('~1', '/').replaceAll('~0', '~'));
  }
  return value;
};
