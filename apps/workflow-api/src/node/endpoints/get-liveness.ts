import { LivenessShape } from '../../docs/service-schemas.js';
import type { EndpointDescription } from '../../http/endpoint.js';

/** Says that the process lives. */
export const GET_LIVENESS: EndpointDescription = {
  method: 'get',
  path: '/livez',
  id: 'getLiveness',
  tag: 'Service',
  summary: 'Whether the process lives',
  answers: { 200: { description: 'It does.', schema: LivenessShape } },
  problems: [],
};
