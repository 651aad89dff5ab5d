import { WorkflowShape } from '../../docs/workflow-schemas.js';
import type { EndpointDescription } from '../../http/endpoint.js';
import { WELCOME_NAME } from './definition-body.js';

/** Reads a workflow with its latest document. */
export const GET_WORKFLOW: EndpointDescription = {
  method: 'get',
  path: '/v1/workflows/{name}',
  id: 'getWorkflow',
  tag: 'Workflows',
  summary: 'Read a workflow',
  description: 'With the document of its latest version.',
  parameters: { name: WELCOME_NAME },
  answers: {
    200: { description: 'The workflow.', schema: WorkflowShape, headers: ['ETag'] },
    304: { description: 'The version of If-None-Match is still the latest.' },
  },
  problems: ['workflow-not-found', 'storage-unavailable'],
};
