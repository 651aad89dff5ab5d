import { WELCOME_DEFINITION } from '../../docs/example-definitions.js';
import { ValidationShape } from '../../docs/workflow-schemas.js';
import type { EndpointDescription } from '../../http/endpoint.js';
import { BODY_PROBLEMS, definitionBody } from './definition-body.js';

/** Checks a definition and stores nothing. */
export const VALIDATE_DEFINITION: EndpointDescription = {
  method: 'post',
  path: '/v1/workflows/validate',
  id: 'validateDefinition',
  tag: 'Workflows',
  summary: 'Check a definition',
  description: 'All findings in one answer, each with its place. Nothing is stored.',
  body: definitionBody({ welcome: WELCOME_DEFINITION }),
  answers: { 200: { description: 'Whether it could be published, and what was found.', schema: ValidationShape } },
  problems: BODY_PROBLEMS,
};
