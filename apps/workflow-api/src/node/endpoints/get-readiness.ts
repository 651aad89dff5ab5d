import { ReadinessShape } from '../../docs/service-schemas.js';
import type { EndpointDescription } from '../../http/endpoint.js';

/** Says whether the process can serve. */
export const GET_READINESS: EndpointDescription = {
  method: 'get',
  path: '/readyz',
  id: 'getReadiness',
  tag: 'Service',
  summary: 'Whether the process can serve',
  answers: { 200: { description: 'It can; `degraded` names what is late or parked.', schema: ReadinessShape } },
  problems: ['not-ready'],
};
