import { WELCOME_DEFINITION } from '../../docs/example-definitions.js';
import { SavedDraftShape } from '../../docs/workflow-schemas.js';
import type { EndpointDescription } from '../../http/endpoint.js';
import { BODY_PROBLEMS, definitionBody, WELCOME_NAME } from './definition-body.js';

/** Saves the draft of a workflow. */
export const SAVE_DRAFT: EndpointDescription = {
  method: 'put',
  path: '/v1/workflows/{name}/draft',
  id: 'saveDraft',
  tag: 'Workflows',
  summary: 'Save the draft',
  description: 'It stands beside the versions and may be started as version `draft`.',
  parameters: { name: WELCOME_NAME },
  body: definitionBody({ welcome: WELCOME_DEFINITION }),
  answers: { 200: { description: 'The draft.', schema: SavedDraftShape, headers: ['Stepwell-Position'] } },
  problems: ['invalid-definition', ...BODY_PROBLEMS, 'storage-unavailable', 'storage-full'],
};
