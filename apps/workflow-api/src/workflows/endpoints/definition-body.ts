import { stringify } from 'yaml';
import { DefinitionShape } from '../../docs/workflow-schemas.js';
import type { Body, Parameter } from '../../http/endpoint.js';
import type { ProblemCode } from '../../http/problems.js';
import { DEFINITION_TYPES } from '../../http/request-body.js';

/** A definition as body, as JSON or YAML. */
export const definitionBody = (examples: Readonly<Record<string, unknown>>): Body => ({
  required: true,
  types: DEFINITION_TYPES.slice(0, 2),
  otherTypes: DEFINITION_TYPES.slice(2),
  schema: DefinitionShape,
  examples,
  asText: { 'application/yaml': (document) => stringify(document) },
});
/** What may be wrong with such a body. */
export const BODY_PROBLEMS: readonly ProblemCode[] = [
  'malformed-json',
  'malformed-yaml',
  'payload-too-large',
  'unsupported-media-type',
];

export const NAME = { description: 'The name of the workflow.' };
/** The name of a workflow in a path, of the one of the examples. */
export const WELCOME_NAME: Parameter = { ...NAME, examples: { welcome: 'welcome' } };

/** On what condition something is changed. */
export const IF_MATCH: Readonly<Record<string, Parameter>> = {
  'If-Match': {
    in: 'header',
    description: 'The version seen, in quotes: only when it is still the latest. `*`: only when there is one.',
    schema: { type: 'string' },
  },
};
export const IF_MATCH_DRAFT: Readonly<Record<string, Parameter>> = {
  'If-Match': {
    in: 'header',
    description: 'The ETag of the draft that was seen: only when it is still that one. `*`: only when there is one.',
    schema: { type: 'string' },
  },
};
export const IF_NONE_MATCH: Readonly<Record<string, Parameter>> = {
  'If-None-Match': { in: 'header', description: '`*`: only when there is none yet.', schema: { type: 'string' } },
};
