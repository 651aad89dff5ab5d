import { z } from 'zod';
import { RunStepListShape } from '../../docs/run-schemas.js';
import type { EndpointDescription } from '../../http/endpoint.js';
import { Cursor, Limit, LIMIT } from '../../http/parameters.js';
import { runIdParameter, WELCOME_RUN } from './example-runs.js';
import { View } from './get-run.js';

export const RunStepsQuery = z.strictObject({
  below: z
    .string()
    .min(1)
    .max(1_024)
    .optional()
    .describe('The key of a container that the run has entered; without it, the steps that are in none.'),
  view: View,
  limit: Limit,
  cursor: Cursor.optional().describe('A `stepsCursor` of the run or step, or the nextCursor of the page before.'),
});
export type RunStepsQuery = z.output<typeof RunStepsQuery>;

/** Lists the steps of one container of a run. */
export const LIST_RUN_STEPS: EndpointDescription = {
  method: 'get',
  path: '/v1/runs/{id}/steps',
  id: 'listRunSteps',
  tag: 'Runs',
  summary: 'List the steps of a run, or of a container in it',
  description:
    'What the document of a run has no room for: it shows the first 100 steps of each container. The order is that of the document in the same view. A page may hold less than asked for, when its steps are long.',
  parameters: {
    id: runIdParameter({ welcome: WELCOME_RUN }),
    below: { examples: { welcome: 'tell' } },
    limit: LIMIT,
  },
  answers: {
    200: {
      description: 'A page of steps, each as it stands in the document of the run.',
      schema: RunStepListShape,
      headers: ['Stepwell-Position'],
    },
  },
  problems: [
    'run-not-found',
    'run-archived',
    'run-parked',
    'step-not-found',
    'step-not-reached',
    'cursor-invalid',
    'storage-unavailable',
  ],
};
