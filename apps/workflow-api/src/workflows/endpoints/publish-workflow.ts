import { HELD_DEFINITION, WELCOME_DEFINITION } from '../../docs/example-definitions.js';
import { PublishedShape } from '../../docs/workflow-schemas.js';
import type { EndpointDescription } from '../../http/endpoint.js';
import { ORIGIN } from '../../http/parameters.js';
import { BODY_PROBLEMS, definitionBody, IF_MATCH, IF_NONE_MATCH, NAME } from './definition-body.js';

const VERSION_HEADERS = ['ETag', 'Stepwell-Position'] as const;

/** Publishes a version. */
export const PUBLISH_WORKFLOW: EndpointDescription = {
  method: 'put',
  path: '/v1/workflows/{name}',
  id: 'publishWorkflow',
  tag: 'Workflows',
  summary: 'Publish a version',
  description:
    'The body is the definition itself, as JSON or YAML. Content that the latest version has already makes no new one.',
  parameters: {
    name: { ...NAME, examples: { welcome: 'welcome', retired: 'retired' } },
    ...IF_MATCH,
    ...IF_NONE_MATCH,
    ...ORIGIN,
  },
  body: definitionBody({ welcome: WELCOME_DEFINITION, retired: HELD_DEFINITION }),
  answers: {
    201: { description: 'A new version.', schema: PublishedShape, headers: ['Location', ...VERSION_HEADERS] },
    200: {
      description: 'The latest version has this content.',
      schema: PublishedShape,
      headers: ['Location', ...VERSION_HEADERS],
    },
  },
  problems: ['invalid-definition', 'precondition-failed', ...BODY_PROBLEMS, 'storage-unavailable', 'storage-full'],
};
