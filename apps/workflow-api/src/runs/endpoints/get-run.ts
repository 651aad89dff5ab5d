import { z } from 'zod';
import { RunShape } from '../../docs/run-schemas.js';
import type { EndpointDescription } from '../../http/endpoint.js';
import { runIdParameter } from './example-runs.js';

export const RunQuery = z.strictObject({
  view: z
    .enum(['slim', 'full'])
    .default('full')
    .describe('`full` lists nodes that the run has not reached, with their templates.'),
});
export type RunQuery = z.output<typeof RunQuery>;

/** Reads one run. */
export const GET_RUN: EndpointDescription = {
  method: 'get',
  path: '/v1/runs/{id}',
  id: 'getRun',
  tag: 'Runs',
  summary: 'Read a run',
  description: 'Folded from its events, so always current.',
  parameters: { id: runIdParameter() },
  answers: {
    200: { description: 'The run with its steps as a tree.', schema: RunShape, headers: ['Stepwell-Position'] },
  },
  problems: ['run-not-found', 'run-archived'],
};
