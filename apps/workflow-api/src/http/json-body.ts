import { parseStrictJson, type JsonFault, type StrictJson } from '#runtime';
import type { z } from 'zod';
import { HttpProblem, type Problem } from './problems.js';
import { validationProblem } from './validation.js';

/** The body as a value and as normalised text. Throws the problem to answer. */
export const parseJsonText = (body: Uint8Array): Extract<StrictJson, { status: 'parsed' }> => {
  const parsed = parseStrictJson(body);
  if (parsed.status === 'refused') throw new HttpProblem(textProblem(parsed.fault));
  return parsed;
};

/** What a schema makes of a value of a body. Throws the problem to answer. */
export const parseValue = <Schema extends z.ZodType>(schema: Schema, value: unknown): z.output<Schema> => {
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw new HttpProblem(validationProblem(parsed.error, schema, 'body'));
  return parsed.data;
};

/** Query parameters, each of them known, none given twice unless its schema takes a list. Throws the problem to answer. */
export const parseQuery = <Schema extends z.ZodType>(schema: Schema, query: unknown): z.output<Schema> => {
  const parsed = schema.safeParse({ ...(query as object) });
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
