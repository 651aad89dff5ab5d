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
    if (!isConstant(value, place, 0)) return undefined;
    const text: string | undefined = JSON.stringify(value);
    if (text === undefined || !isNormalised(text)) return undefined;
    const maxBytes = place.limits.payloadMaxBytes;
    return isLongerThan(text, maxBytes) ? refuse(place, `${place.label} takes more than ${maxBytes} bytes`) : text;
  },
};

/** Text of `JSON.stringify` is what the brand says. */
const isNormalised = (_text: string): _text is JsonText => true;

const isConstant = (value: unknown, place: Place, depth: number): boolean => {
  const flaw =
    depth > CONSTANT_DEPTH_MAX ? `A constant may be nested ${CONSTANT_DEPTH_MAX} levels deep` : flawOf(value);
  if (flaw !== null) {
    refuse(place, flaw);
    return false;
  }
  if (typeof value !== 'object' || value === null) return true;
  // All of it is looked at, since all findings come at once.
  let good = true;
  for (const [key, member] of Object.entries(value)) {
    if (!isConstant(member, { ...place, pointer: below(place.pointer, key) }, depth + 1)) good = false;
  }
  return good;
};

const flawOf = (value: unknown): string | null => {
  switch (typeof value) {
    case 'string':
      return hasExpression(value) ? EXPRESSION_UNAVAILABLE : null;
    case 'number':
      return Number.isFinite(value) ? null : `${value} is no number in JSON: send it as a string`;
    case 'boolean':
    case 'object':
      return null;
    default:
      return 'This is no JSON value';
  }
};
