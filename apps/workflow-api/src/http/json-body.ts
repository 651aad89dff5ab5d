import { JSON_LIMITS, parseStrictJson, type JsonFault, type JsonLimits, type StrictJson } from '#runtime';
import type { z } from 'zod';
import { DEFINITION_LIMITS } from '../workflows/definition-fault.js';
import { HttpProblem, type Problem } from './problems.js';
import { validationProblem } from './validation.js';
import { wordsOf } from './validation-words.js';

type ParsedJson = Extract<StrictJson, { status: 'parsed' }>;

/**
 * The body as a value and as the text that it came as. Throws the problem to answer. A `definition` in it may be as deep and as
 * wide as one that is a body of its own.
 */
export const parseJsonText = (body: Uint8Array): ParsedJson => {
  const parsed = parseStrictJson(body);
  if (parsed.status === 'parsed') return parsed;
  const { code } = parsed.fault;
  const again = code === 'too-deep' || code === 'too-many-keys' ? parseWithDefinition(body) : null;
  if (again === null) throw new HttpProblem(textProblem(parsed.fault));
  return again;
};

const AROUND_DEFINITION: JsonLimits = {
  maxDepth: DEFINITION_LIMITS.maxDepth + 1,
  maxKeys: DEFINITION_LIMITS.maxKeys + JSON_LIMITS.maxKeys,
};

/** The body when it is past the limits by its definition alone. Only asked for when it is past them, so rarely. */
const parseWithDefinition = (body: Uint8Array): ParsedJson | null => {
  if (!Buffer.from(body.buffer, body.byteOffset, body.length).includes('"definition"')) return null;
  const parsed = parseStrictJson(body, AROUND_DEFINITION);
  if (parsed.status === 'refused' || typeof parsed.value !== 'object' || parsed.value === null) return null;
  const { definition = null, ...rest }: { definition?: unknown } = parsed.value;
  return isWithin(DEFINITION_LIMITS, definition) && isWithin(JSON_LIMITS, rest) ? parsed : null;
};

const isWithin = (limits: JsonLimits, value: unknown): boolean =>
  parseStrictJson(JSON.stringify(value), limits).status === 'parsed';

/** The library's own words say `expected record, received array`. */
const WORDS = { error: wordsOf };

/** What a schema makes of a value of a body. Throws the problem to answer. */
export const parseValue = <Schema extends z.ZodType>(schema: Schema, value: unknown): z.output<Schema> => {
  const parsed = schema.safeParse(value, WORDS);
  if (!parsed.success) throw new HttpProblem(validationProblem(parsed.error, schema, 'body'));
  return parsed.data;
};

/** Query parameters, each of them known, none given twice unless its schema takes a list. Throws the problem to answer. */
export const parseQuery = <Schema extends z.ZodType>(schema: Schema, query: unknown): z.output<Schema> => {
  const parsed = schema.safeParse({ ...(query as object) }, WORDS);
  if (!parsed.success) throw new HttpProblem(validationProblem(parsed.error, schema, 'query'));
  return parsed.data;
};

/** What is wrong with a text, of JSON or YAML, and where. */
type TextFault = Omit<JsonFault, 'code'> & { readonly code: JsonFault['code'] | 'malformed-yaml' };

/** The problem of a text that was refused. */
export const textProblem = ({ code, detail, pointer, line, column }: TextFault): Problem => ({
  code,
  detail: `${detail} (line ${line}, column ${column}).`,
  errors: [{ pointer, detail, line, column }],
});
