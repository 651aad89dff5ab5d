import { z } from 'zod';
import { RunShape } from '../../docs/run-schemas.js';
import type { EndpointDescription } from '../../http/endpoint.js';
import { ORIGIN } from '../../http/parameters.js';
import { HELD_RUN, runIdParameter } from './example-runs.js';

/** The body of a cancel, which may be left out. */
export const CancelRequest = z
  .strictObject({ reason: z.string().max(1_000).nullable().optional().describe("Why, in a person's words.") })
  .meta({ id: 'CancelRequest' });
export type CancelRequest = z.output<typeof CancelRequest>;

/** Cancels a run. */
export const CANCEL_RUN: EndpointDescription = {
  method: 'post',
  path: '/v1/runs/{id}/cancel',
  id: 'cancelRun',
  tag: 'Runs',
  summary: 'Cancel a run',
  description:
    'Requests in flight are abandoned; they may have had their effect. Cancelling a cancelled run changes nothing.',
  parameters: {
    id: runIdParameter({ held: HELD_RUN }),
    'If-Match': {
      in: 'header',
      description: 'ETags of the run, as `GET` gave them: it is cancelled only if it has not moved on since.',
      schema: { type: 'string' },
    },
    'If-None-Match': {
      in: 'header',
      description: 'ETags of the run: it is cancelled only if it has moved on from all of them; with `*` never.',
      schema: { type: 'string' },
    },
    ...ORIGIN,
  },
  body: {
    required: false,
    types: ['application/json'],
    schema: CancelRequest,
    examples: { held: { reason: 'no longer needed' } },
  },
  answers: {
    200: {
      description: 'The cancelled run.',
      schema: RunShape,
      example: 'CancelledRun',
      headers: ['Stepwell-Position'],
    },
  },
  problems: [
    'run-not-found',
    'run-archived',
    'run-parked',
    'run-ended',
    'precondition-failed',
    'unsupported-media-type',
    'storage-unavailable',
    'storage-full',
  ],
};
