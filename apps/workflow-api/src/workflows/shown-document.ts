import { isDeepStrictEqual } from 'node:util';
import { credentialPlaces, MASKED } from '#domain';
import type { ParsedDefinition } from './definition-document.js';
import { parseDefinition } from './definition-document.js';
import type { Document } from './workflow-json.js';

/** A document as its readers see it: without the values of headers that are most likely secrets, in either form. */
export const shownDocument = ({ body, rangeOf }: ParsedDefinition): Document => {
  const { document, written, text, format } = body;
  const places = credentialPlaces(document);
  const definition = places.reduce((shown, path) => replaced(shown, path, MASKED), written);
  return { definition, source: format === 'json' ? null : maskedSource(text, places, rangeOf, definition) };
};

/** `null` where a value cannot be cut out of the text, as one that stands behind an alias. */
const maskedSource = (
  text: string,
  places: readonly (readonly string[])[],
  rangeOf: ParsedDefinition['rangeOf'],
  shown: unknown,
): string | null => {
  if (places.length === 0) return text;
  const ranges = places.map(rangeOf);
  if (ranges.includes(null)) return null;
  let masked = text;
  // From the end, so that the places before stay where they are.
  for (const { from, until } of ranges.filter((range) => range !== null).toSorted((a, b) => b.from - a.from)) {
    const end = masked.slice(from, until).endsWith('\n') ? '\n' : '';
    masked = `${masked.slice(0, from)}"${MASKED}"${end}${masked.slice(until)}`;
  }
  // An anchor in the value, or a comment in a text of many lines: what is shown is what is meant, or nothing.
  const again = parseDefinition(masked, 'yaml');
  return again.status === 'parsed' && isDeepStrictEqual(again.body.written, shown) ? masked : null;
};

const replaced = (value: unknown, [name, ...rest]: readonly string[], by: string): unknown => {
  if (name === undefined) return by;
  if (Array.isArray(value))
    return value.map((item, index) => (String(index) === name ? replaced(item, rest, by) : item));
  // The places were found in this very document.
  const members = value as Readonly<Record<string, unknown>>;
  return { ...members, [name]: replaced(members[name], rest, by) };
};
