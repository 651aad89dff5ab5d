import { ArchivedShape } from '../../docs/workflow-schemas.js';
import type { EndpointDescription } from '../../http/endpoint.js';
import { ORIGIN } from '../../http/parameters.js';
import { IF_MATCH, NAME } from './definition-body.js';

/** Archives a workflow. */
export const ARCHIVE_WORKFLOW: EndpointDescription = {
  method: 'delete',
  path: '/v1/workflows/{name}',
  id: 'archiveWorkflow',
  tag: 'Workflows',
  summary: 'Archive a workflow',
  description: 'Its versions stay readable and its runs go on, but none can be started. Publishing brings it back.',
  parameters: { name: { ...NAME, examples: { welcome: 'welcome', retired: 'retired' } }, ...IF_MATCH, ...ORIGIN },
  answers: {
    200: { description: 'Since when it is archived.', schema: ArchivedShape, headers: ['Stepwell-Position'] },
  },
  problems: ['workflow-not-found', 'precondition-failed', 'storage-unavailable', 'storage-full'],
};
