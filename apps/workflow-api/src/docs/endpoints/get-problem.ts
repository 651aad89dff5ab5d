import { ProblemHelpShape } from '../../docs/service-schemas.js';
import type { EndpointDescription } from '../../http/endpoint.js';

/** Explains one problem. */
export const GET_PROBLEM: EndpointDescription = {
  method: 'get',
  path: '/problems/{code}',
  id: 'getProblem',
  tag: 'Service',
  summary: 'What a problem means',
  description: 'The `type` of a problem leads here.',
  parameters: { code: { description: 'The code of the problem.', examples: { 'run-ended': 'run-ended' } } },
  answers: { 200: { description: 'The problem.', schema: ProblemHelpShape } },
  problems: ['problem-not-found'],
};
