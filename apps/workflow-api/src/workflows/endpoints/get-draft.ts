import { DraftShape } from '../../docs/workflow-schemas.js';
import type { EndpointDescription } from '../../http/endpoint.js';
import { WELCOME_NAME } from './definition-body.js';

/** Reads the draft of a workflow. */
export const GET_DRAFT: EndpointDescription = {
  method: 'get',
  path: '/v1/workflows/{name}/draft',
  id: 'getDraft',
  tag: 'Workflows',
  summary: 'Read the draft',
  parameters: { name: WELCOME_NAME },
  answers: {
    200: { description: 'The draft with its document.', schema: DraftShape, headers: ['ETag'] },
    304: { description: 'It is the one of If-None-Match.', headers: ['ETag'] },
  },
  problems: ['workflow-not-found', 'draft-not-found', 'storage-unavailable'],
};
