import { NULL_TEXT, payloadOf, type JsonText } from '../payload.js';
import type { Computed, Expression } from '../plan.js';

// A value that is computed: JSON whose strings hold expressions, `{% … %}`, or a script. Its expressions are evaluated one by one,
// and what they come to is put in their places.

/** A string by its parts, texts and expressions in turns: the first and the last are texts, empty ones too. */
export const partsOf = (text: string): readonly string[] => text.split(/\{%([\s\S]*?)%\}/);

export const hasExpression = (text: string): boolean => text.includes('{%') && partsOf(text).length > 1;

/** In the order in which they are written. */
export const expressionsOf = (computed: Computed): readonly Expression[] => {
  const known = expressions.get(computed);
  if (known !== undefined) return known;
  const found: Expression[] = [];
  if ('js' in computed) found.push({ language: 'js', source: computed.js });
  else
    for (const text of stringsIn(computed.template))
      for (const [index, source] of partsOf(text).entries())
        if (index % 2 === 1) found.push({ language: 'jsonata', source: source.trim() });
  expressions.set(computed, found);
  return found;
};

/** As long as the plan is in memory. */
const expressions = new WeakMap<Computed, readonly Expression[]>();

/** The value, with that of each expression in its place; `null`: it gave nothing. */
export const printed = (computed: Computed, values: readonly (JsonText | null)[]): JsonText => {
  if ('js' in computed) return values[0] ?? NULL_TEXT;
  let next = 0;
  const text = replaceStrings(computed.template, (string) => {
    const parts = partsOf(string);
    if (parts.length === 1) return null;
    const [before = '', , after = ''] = parts;
    const isLone = parts.length === 3 && before.trim() === '' && after.trim() === '';
    if (isLone) return values[next++] ?? NULL_TEXT;
    let made = '';
    for (const [index, part] of parts.entries()) made += index % 2 === 0 ? part : textOf(values[next++] ?? null);
    return JSON.stringify(made);
  });
  return payloadOf(text);
};

/** In a text: strings as they are, nothing and null as nothing, all else as JSON. */
export const textOf = (value: JsonText | null): string => {
  if (value === null || value === NULL_TEXT) return '';
  return value.startsWith('"') ? String(JSON.parse(value)) : value;
};

const STRING = /"(?:[^"\\]|\\.)*"(?=\s*(:)?)/gs;

/** Every string of a JSON text that is a value, not a name; what is to stand for it as JSON, or `null` for itself. */
const replaceStrings = (json: string, replace: (string: string) => string | null): string =>
  json.replace(STRING, (raw: string, colon: string | undefined) => {
    if (colon !== undefined || !raw.includes('{%')) return raw;
    return replace(String(JSON.parse(raw))) ?? raw;
  });

const stringsIn = (json: string): readonly string[] => {
  const strings: string[] = [];
  replaceStrings(json, (string) => {
    strings.push(string);
    return null;
  });
  return strings;
};
