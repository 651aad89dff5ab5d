import type { DefinitionFormat } from '#domain';
import type { DefinitionBody } from '#engine';
import { parseAsWritten, parseStrictJson, placeInText, unicodeText } from '#runtime';
import { DEFINITION_LIMITS, type DefinitionFault } from './definition-fault.js';
import { jsonPlaces } from './json-places.js';
import { parseYaml, type TextRange } from './yaml-document.js';

/** From 1, both. */
export type Place = { readonly line: number; readonly column: number };

export type ParsedDefinition = {
  readonly status: 'parsed';
  readonly body: DefinitionBody;
  /** Where in the text a finding's pointer leads, or the nearest thing around it. */
  readonly placeOf: (pointer: string) => Place | null;
  /** From where to where the value of a member or an element stands in a text in YAML; `null`: nowhere of its own. */
  readonly rangeOf: (path: readonly string[]) => TextRange | null;
};

/** Parses the body of a definition as its media type says, or tells the first thing that is wrong with it, and where. */
export const parseDefinition = (
  input: Uint8Array | string,
  format: DefinitionFormat,
): ParsedDefinition | { readonly status: 'refused'; readonly fault: DefinitionFault } => {
  const text = unicodeText(input);
  if (typeof text !== 'string') return { status: 'refused', fault: text };
  return format === 'json' ? parseJsonDefinition(text) : parseYamlDefinition(text);
};

const parseJsonDefinition = (text: string): ReturnType<typeof parseDefinition> => {
  const parsed = parseStrictJson(text, DEFINITION_LIMITS);
  if (parsed.status === 'refused') return parsed;
  // Only asked for when there are findings, and then for many.
  let places: ReadonlyMap<string, number> | null = null;
  const placeOf = (pointer: string): Place | null => {
    places ??= jsonPlaces(text);
    for (let nearest = pointer; ; nearest = nearest.slice(0, nearest.lastIndexOf('/'))) {
      const at = places.get(nearest);
      if (at !== undefined) return placeInText(text, at);
      if (nearest === '') return null;
    }
  };
  const body = { document: parsed.value, written: parseAsWritten(text), text, format: 'json' } as const;
  return { status: 'parsed', body, placeOf, rangeOf: () => null };
};

const parseYamlDefinition = (text: string): ReturnType<typeof parseDefinition> => {
  const parsed = parseYaml(text);
  if (parsed.status === 'refused') return parsed;
  const { document, written, find, rangeOf } = parsed;
  return {
    status: 'parsed',
    body: { document, written, text, format: 'yaml' },
    placeOf: (pointer) => placeInText(text, find(pointer)),
    rangeOf,
  };
};
