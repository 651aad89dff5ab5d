import { expressionsOf } from '../expressions/computed.js';
import type { JsonText } from '../payload.js';
import { isLongerThan } from '../payload.js';
import type { Given } from '../plan.js';
import { areGood, isScript, SCRIPTS_UNAVAILABLE } from './code.js';
import { below } from './finding.js';
import { refuse, type JsonSchema, type Kind, type Place } from './member-kind.js';
import { isRecord } from './record.js';

/** What is deeper would make a run's payload that its own parser refuses. */
const DEPTH_MAX = 64;

const SCRIPT_SCHEMA = { type: 'object', required: ['js'], properties: { js: { type: 'string' } }, maxProperties: 1 };

/** The schema of any value inside one: no text of it opens an expression without closing it. */
export const VALUE_SCHEMA: JsonSchema = {
  description: 'Any JSON. Its strings may hold expressions: {% … %}.',
  not: { type: 'string', pattern: '\\{%(?:(?!%\\})[\\s\\S])*$' },
  items: { $ref: '#/$defs/Value' },
  additionalProperties: { $ref: '#/$defs/Value' },
};

/** A JSON value: a constant, or one with expressions in its strings. What no JSON can hold is found, as numbers that only YAML can write. */
export const given: Kind<Given> = {
  schema: () => ({ $ref: '#/$defs/Value', not: SCRIPT_SCHEMA }),
  read: (value, place) => {
    if (isScript(value)) return refuse(place, SCRIPTS_UNAVAILABLE);
    const written = valueAt(place.written, place.pointer);
    if (!isJson(value, written, place, 0)) return undefined;
    const text: string | undefined = JSON.stringify(written);
    if (text === undefined || !isPayload(text)) return undefined;
    const maxBytes = place.limits.payloadMaxBytes;
    if (isLongerThan(text, maxBytes)) return refuse(place, `${place.label} takes more than ${maxBytes} bytes`);
    const computed = { template: text };
    return expressionsOf(computed).length > 0 ? computed : text;
  },
};

/** Text of `JSON.stringify` is what the brand says. */
const isPayload = (_text: string): _text is JsonText => true;

const isJson = (value: unknown, written: unknown, place: Place, depth: number): boolean => {
  const flaw = depth > DEPTH_MAX ? `It may be nested ${DEPTH_MAX} levels deep` : flawOf(value, written);
  if (flaw !== null) {
    refuse(place, flaw);
    return false;
  }
  if (typeof value === 'string') return !value.includes('{%') || areGood(value, place);
  if (typeof value !== 'object' || value === null) return true;
  // All of it is looked at, since all findings come at once.
  let good = true;
  for (const [key, member] of Object.entries(value)) {
    const at = { ...place, pointer: below(place.pointer, key) };
    if (!isJson(member, memberOf(written, key), at, depth + 1)) good = false;
  }
  return good;
};

const flawOf = (value: unknown, written: unknown): string | null => {
  switch (typeof value) {
    case 'number':
      // A number past all doubles is one all the same, as it is written.
      if (Number.isFinite(value) || typeof written === 'object') return null;
      return `${value} is no number in JSON: send it as a string`;
    case 'string':
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
