import { HELD_DEFINITION, WELCOME_DEFINITION } from '../../docs/example-definitions.js';
import { SavedDraftShape } from '../../docs/workflow-schemas.js';
import type { EndpointDescription } from '../../http/endpoint.js';
import { ORIGIN } from '../../http/parameters.js';
import { BODY_PROBLEMS, definitionBody, IF_MATCH_DRAFT, IF_NONE_MATCH, NAME } from './definition-body.js';

/** Saves the draft of a workflow. */
export const SAVE_DRAFT: EndpointDescription = {
  method: 'put',
  path: '/v1/workflows/{name}/draft',
  id: 'saveDraft',
  tag: 'Workflows',
  summary: 'Save the draft',
  description: 'It stands beside the versions and may be started as version `draft`.',
  parameters: {
    name: { ...NAME, examples: { welcome: 'welcome', drafted: 'drafted' } },
    ...IF_MATCH_DRAFT,
    ...IF_NONE_MATCH,
    ...ORIGIN,
  },
  body: definitionBody({ welcome: WELCOME_DEFINITION, drafted: HELD_DEFINITION }),
  answers: { 200: { description: 'The draft.', schema: SavedDraftShape, headers: ['ETag', 'Stepwell-Position'] } },
  problems: ['invalid-definition', 'precondition-failed', ...BODY_PROBLEMS, 'storage-unavailable', 'storage-full'],
};
