import { StepShape } from '../../docs/run-schemas.js';
import type { EndpointDescription } from '../../http/endpoint.js';
import { runIdParameter } from './example-runs.js';

/** Reads one step of a run. */
export const GET_STEP: EndpointDescription = {
  method: 'get',
  path: '/v1/runs/{id}/steps/{key}',
  id: 'getStep',
  tag: 'Runs',
  summary: 'Read one step',
  parameters: {
    id: runIdParameter(),
    key: { description: 'The key of the step.', examples: { held: 'unheard', welcome: 'create-user' } },
  },
  answers: {
    200: {
      description: 'The step with its attempts, its payloads whole, and the first 100 steps below it.',
      schema: StepShape,
      headers: ['Stepwell-Position'],
    },
  },
  problems: [
    'run-not-found',
    'run-archived',
    'run-parked',
    'step-not-found',
    'step-not-reached',
    'storage-unavailable',
  ],
};
