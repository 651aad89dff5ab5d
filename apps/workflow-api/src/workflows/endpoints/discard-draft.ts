import type { EndpointDescription } from '../../http/endpoint.js';
import { ORIGIN } from '../../http/parameters.js';
import { IF_MATCH_DRAFT, NAME } from './definition-body.js';

/** Takes the draft of a workflow away. */
export const DISCARD_DRAFT: EndpointDescription = {
  method: 'delete',
  path: '/v1/workflows/{name}/draft',
  id: 'discardDraft',
  tag: 'Workflows',
  summary: 'Discard the draft',
  description: 'Versions stay as they are. Of a workflow that was only a draft nothing is left.',
  parameters: { name: { ...NAME, examples: { welcome: 'welcome', drafted: 'drafted' } }, ...IF_MATCH_DRAFT, ...ORIGIN },
  status: 204,
  answers: { 204: { description: 'It is gone.', headers: ['Stepwell-Position'] } },
  problems: ['workflow-not-found', 'draft-not-found', 'precondition-failed', 'storage-unavailable', 'storage-full'],
};
