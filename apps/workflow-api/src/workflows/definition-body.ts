import type { DefinitionFormat } from '#domain';
import type { DefinitionBody } from '#engine';
import { parseStrictJson } from '#runtime';
import { HttpProblem } from '../http/problems.js';
import { jsonProblem } from '../http/json-body.js';
import type { Place } from './definition-problem.js';

/** A definition's body, and where in its text the things are that its findings point at. */
export type ParsedDefinition = { readonly body: DefinitionBody; readonly placeOf: (pointer: string) => Place | null };

/** Parses a definition. Throws the problem to answer. */
export const readDefinition = (bytes: Uint8Array, format: DefinitionFormat): ParsedDefinition => {
  const parsed = parseStrictJson(bytes);
  if (parsed.status === 'refused') throw new HttpProblem(jsonProblem(parsed.fault));
  return { body: { document: parsed.value, text: Buffer.from(bytes).toString('utf8'), format }, placeOf: () => null };
};
