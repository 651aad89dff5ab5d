import { z } from 'zod';
import { RunShape } from '../../docs/run-schemas.js';
import type { EndpointDescription } from '../../http/endpoint.js';
import { runIdParameter } from './example-runs.js';

export const View = z
  .enum(['slim', 'full'])
  .default('full')
  .describe(
    '`full` lists nodes that the run has not reached, with their templates. `slim` has the steps that were entered, and no payloads: they are null.',
  );
export const RunQuery = z.strictObject({ view: View });
export type RunQuery = z.output<typeof RunQuery>;

/** Reads one run. */
export const GET_RUN: EndpointDescription = {
  method: 'get',
  path: '/v1/runs/{id}',
  id: 'getRun',
  tag: 'Runs',
  summary: 'Read a run',
  description:
    'Folded from its events, so always current. Payloads are cut at 16 KiB, and a long one that flows through several steps is shown once: the others name the place. Each cut says where the whole is. Of each container the first 100 steps are shown, and how many there are: `GET /v1/runs/{id}/steps` has the others. With the ETag of an answer in If-None-Match, 304 says that nothing has changed.',
  parameters: {
    id: runIdParameter(),
    'If-None-Match': { in: 'header', description: 'The ETag of an answer before.', schema: { type: 'string' } },
  },
  answers: {
    200: { description: 'The run with its steps as a tree.', schema: RunShape, headers: ['ETag', 'Stepwell-Position'] },
    304: { description: 'The run is as it was shown under that tag.' },
  },
  problems: ['run-not-found', 'run-archived', 'run-parked', 'storage-unavailable'],
};
