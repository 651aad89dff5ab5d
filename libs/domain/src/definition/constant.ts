import type { JsonText } from '../payload.js';
import { below, type Findings } from './finding.js';

/** Deeper constants would make a run's payload that its own parser refuses. */
const CONSTANT_DEPTH_MAX = 64;

/** The expressions of later versions stand in these marks; until then a text that holds them would be sent as it is. */
export const hasExpression = (text: string): boolean => {
  const open = text.indexOf('{%');
  return open !== -1 && text.includes('%}', open + 2);
};

export const EXPRESSION_UNAVAILABLE = 'Expressions in {% … %} are not available in this version';

/** Reads a JSON constant; finds what would not be one: expressions, scripts, and numbers that only YAML can write. */
export const readConstant = (value: unknown, pointer: string, findings: Findings): JsonText | null => {
  if (isRecord(value) && Object.keys(value).length === 1 && typeof value['js'] === 'string') {
    findings.error(pointer, 'Scripts ({ js: … }) are not available in this version: only a constant is');
    return null;
  }
  if (!isConstant(value, { pointer, depth: 0 }, findings)) return null;
  const text: string | undefined = JSON.stringify(value);
  return text !== undefined && isNormalised(text) ? text : null;
};

/** Text of `JSON.stringify` is what the brand says. */
const isNormalised = (_text: string): _text is JsonText => true;

type Place = { readonly pointer: string; readonly depth: number };

const isConstant = (value: unknown, { pointer, depth }: Place, findings: Findings): boolean => {
  if (depth > CONSTANT_DEPTH_MAX) {
    findings.error(pointer, `A constant may be nested ${CONSTANT_DEPTH_MAX} levels deep`);
    return false;
  }
  switch (typeof value) {
    case 'string':
      if (!hasExpression(value)) return true;
      findings.error(pointer, EXPRESSION_UNAVAILABLE);
      return false;
    case 'number':
      if (Number.isFinite(value)) return true;
      findings.error(pointer, `${value} is no number in JSON: send it as a string`);
      return false;
    case 'boolean':
      return true;
    case 'object': {
      if (value === null) return true;
      // All of it is looked at, since all findings come at once.
      let good = true;
      for (const [key, member] of Object.entries(value)) {
        if (!isConstant(member, { pointer: below(pointer, key), depth: depth + 1 }, findings)) good = false;
      }
      return good;
    }
    default:
      findings.error(pointer, 'This is no JSON value');
      return false;
  }
};

/** Whether a value is an object with members, as a parser of JSON or YAML makes it. */
export const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
