import { ProblemListShape } from '../../docs/service-schemas.js';
import type { EndpointDescription } from '../../http/endpoint.js';

/** Lists every problem. */
export const LIST_PROBLEMS: EndpointDescription = {
  method: 'get',
  path: '/problems',
  id: 'listProblems',
  tag: 'Service',
  summary: 'Every problem with its meaning',
  answers: { 200: { description: 'All of them.', schema: ProblemListShape } },
  problems: [],
};
