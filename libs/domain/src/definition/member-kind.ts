import { EXPRESSION_PATTERN, EXPRESSION_UNAVAILABLE, hasExpression } from './expression.js';
import { below, quoted, type Findings } from './finding.js';
import { nearestName } from './known-name.js';
import type { CompileLimits } from './limits.js';

/** JSON Schema 2020-12; `$ref` leads to `#/$defs/<name>`. */
export type JsonSchema = { readonly [keyword: string]: unknown };

/** Where a value stands, how a sentence names it, and whom to tell what is wrong with it. */
export type Place = {
  readonly pointer: string;
  readonly label: string;
  readonly findings: Findings;
  readonly limits: CompileLimits;
  /** The whole document once more, its numbers as they were written. */
  readonly written: unknown;
};

/** What a member may hold, said twice from the same bounds: as the reader takes it, and as a schema. */
export type Kind<Value> = {
  /** `undefined`: there is a finding about it. */
  readonly read: (value: unknown, place: Place) => Value | undefined;
  readonly schema: (limits: CompileLimits) => JsonSchema;
};

export type Member<Value> = Kind<Value> & {
  readonly description: string;
  /** For the schema's reader: what holds where nothing is given; absent: it is said in the description, or nothing does. */
  readonly byDefault?: Value;
  /** What to say where it is missing; absent: it may be. */
  readonly required?: string;
};

/** The members of one object by their names: what the compiler reads by, and what the schema is made of. */
export type MemberTable<Values> = { readonly [Key in keyof Values]: Member<Values[Key]> };

/** A member that may be left out. */
export const optional = <Value>(kind: Kind<Value>, description: string, byDefault?: Value): Member<Value> =>
  byDefault === undefined ? { ...kind, description } : { ...kind, description, byDefault };

/** A member that must be there, and what to say when it is not. */
export const required = <Value>(kind: Kind<Value>, description: string, whenMissing: string): Member<Value> => ({
  ...kind,
  description,
  required: whenMissing,
});

/** A finding where the value stands. */
export const refuse = ({ findings, pointer }: Place, detail: string, suggestion: string | null = null): undefined => {
  findings.error(pointer, detail, suggestion);
  return undefined;
};

/** The control characters, as they stand between the brackets of a pattern. */
export const CONTROL = '\\u0000-\\u001f\\u007f-\\u009f';

type TextRule = {
  readonly maxChars?: number;
  /** As the schema has it. */
  readonly pattern?: string;
  /** What is wrong with a text, in words; `null`: nothing is. May know more than a pattern can say. */
  readonly flaw?: (text: string) => string | null;
  /** What may have been meant by a text with a flaw. */
  readonly suggestion?: (text: string) => string | null;
};

/** A text for people. */
export const prose = ({ maxChars, pattern, flaw, suggestion }: TextRule): Kind<string> => ({
  schema: () => ({
    type: 'string',
    ...(maxChars === undefined ? {} : { maxLength: maxChars }),
    ...(pattern === undefined ? {} : { pattern }),
  }),
  read: (value, place) => {
    if (typeof value !== 'string') return refuse(place, `${place.label} must be a string, not ${kindOf(value)}`);
    if (maxChars !== undefined && hasMoreChars(value, maxChars))
      return refuse(place, `${place.label} has ${value.length} characters, at most ${maxChars} are allowed`);
    const found = flaw?.(value) ?? null;
    return found === null ? value : refuse(place, found, suggestion?.(value) ?? null);
  },
});

/** A text that the service acts on: one with an expression in it would be taken by its letters. */
export const text = (rule: TextRule): Kind<string> => {
  const { read, schema } = prose(rule);
  return {
    schema: (limits) => ({ ...schema(limits), not: { type: 'string', pattern: EXPRESSION_PATTERN } }),
    read: (value, place) =>
      typeof value === 'string' && hasExpression(value) ? refuse(place, EXPRESSION_UNAVAILABLE) : read(value, place),
  };
};

/** As a schema counts: a character outside the basic plane is one. */
const hasMoreChars = (value: string, maxChars: number): boolean =>
  value.length > maxChars && (value.length > maxChars * 2 || Array.from(value).length > maxChars);

export const choice = <Value extends string>(values: readonly Value[]): Kind<Value> => ({
  schema: () => (values.length === 1 ? { const: values[0] } : { enum: values }),
  read: (value, place) => {
    const known = values.find((candidate) => candidate === value);
    if (known !== undefined) return known;
    const meant = typeof value === 'string' && !place.findings.isFull() ? nearestName(value, values) : null;
    const shown = typeof value === 'string' ? quoted(value) : kindOf(value);
    return refuse(place, `${place.label} must be one of ${values.join(', ')}, not ${shown}`, meant);
  },
});

export const flag: Kind<boolean> = {
  schema: () => ({ type: 'boolean' }),
  read: (value, place) =>
    typeof value === 'boolean' ? value : refuse(place, `${place.label} must be true or false, not ${kindOf(value)}`),
};

type Bounds = { readonly min: number; readonly max: number };

export const wholeNumber = (bounds: Bounds): Kind<number> => numberKind(bounds, 'whole number');
export const anyNumber = (bounds: Bounds): Kind<number> => numberKind(bounds, 'number');

const numberKind = ({ min, max }: Bounds, words: 'number' | 'whole number'): Kind<number> => ({
  schema: () => ({ type: words === 'number' ? 'number' : 'integer', minimum: min, maximum: max }),
  read: (value, place) => {
    const isOne = typeof value === 'number' && (words === 'number' || Number.isInteger(value));
    return isOne && value >= min && value <= max
      ? value
      : refuse(place, `${place.label} must be a ${words} from ${min} to ${max}, not ${kindOf(value)}`);
  },
});

/** The same, or null. */
export const orNull = <Value>({ read, schema }: Kind<Value>): Kind<Value | null> => ({
  schema: (limits) => {
    const { type, ...rest } = schema(limits);
    return { type: [type, 'null'], ...rest };
  },
  read: (value, place) => (value === null ? null : read(value, place)),
});

/** A list, with what is right of it when something is wrong. */
export const listOf = <Value>(kind: Kind<Value>, { min, max }: Bounds): Kind<readonly Value[]> => ({
  schema: (limits) => ({ type: 'array', minItems: min, maxItems: max, items: kind.schema(limits) }),
  read: (value, place) => {
    if (!Array.isArray(value)) return refuse(place, `${place.label} must be an array, not ${kindOf(value)}`);
    const elements: readonly unknown[] = value;
    if (elements.length < min || elements.length > max)
      refuse(place, `${place.label} has ${min} to ${max} elements, not ${elements.length}`);
    const label = `Each of ${place.label}`;
    const values: Value[] = [];
    for (const [index, element] of elements.entries()) {
      const read = kind.read(element, { ...place, pointer: below(place.pointer, index), label });
      if (read !== undefined) values.push(read);
    }
    return values;
  },
});

/** What a value is, in words, with the value itself where that helps. */
export const kindOf = (value: unknown): string => {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'object') return 'an object';
  if (typeof value === 'string') return `the string ${quoted(value)}`;
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : typeof value;
};
