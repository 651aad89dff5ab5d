import { z } from 'zod';
import { PayloadShape } from '../../docs/run-schemas.js';
import type { EndpointDescription } from '../../http/endpoint.js';
import { WELCOME_RUN, runIdParameter } from './example-runs.js';

export const PayloadQuery = z.strictObject({
  pointer: z
    .string()
    .regex(/^(\/([^~]|~[01])*)?$/, 'must be a JSON pointer, such as /output')
    .max(1_024)
    .describe('Where in the data of that event: a JSON pointer. A cut has the whole address.'),
});
export type PayloadQuery = z.output<typeof PayloadQuery>;

/** Reads one payload, whole. */
export const GET_PAYLOAD: EndpointDescription = {
  method: 'get',
  path: '/v1/runs/{id}/payloads/{revision}',
  id: 'getPayload',
  tag: 'Runs',
  summary: 'Read one payload',
  description:
    'The whole of what the document of a run has cut: the address stands there. A payload is named by the revision of the event that brought it, and its place in the data of that event; it never changes. The pointer may lead further, `/output/items/3`, and through references, `/outputRefs/3/name`: what the fourth of them leads to has that name.',
  parameters: {
    id: runIdParameter({ welcome: WELCOME_RUN }),
    revision: {
      description: 'Of the event.',
      schema: { type: 'integer', minimum: 0 },
      examples: { welcome: 0 },
    },
    pointer: { examples: { welcome: '/input' } },
  },
  answers: {
    200: {
      description: 'The payload, number by number as it came.',
      schema: PayloadShape,
      headers: ['Stepwell-Position'],
    },
  },
  problems: ['run-not-found', 'run-archived', 'run-parked', 'payload-not-found', 'storage-unavailable'],
};
