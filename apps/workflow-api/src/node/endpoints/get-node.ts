import { NodeShape } from '../../docs/service-schemas.js';
import type { EndpointDescription } from '../../http/endpoint.js';

/** Describes the process. */
export const GET_NODE: EndpointDescription = {
  method: 'get',
  path: '/v1/node',
  id: 'getNode',
  tag: 'Service',
  summary: 'Which build answers, on which store',
  description:
    'Dispatchers and projectors answer this too, on their own port, beside `/livez`, `/readyz` and `/metrics`: ' +
    'what a process has no part for is null.',
  answers: { 200: { description: 'The process.', schema: NodeShape } },
  problems: [],
};
