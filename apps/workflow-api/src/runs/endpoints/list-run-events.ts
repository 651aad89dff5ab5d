import { z } from 'zod';
import { EventListShape } from '../../docs/run-schemas.js';
import type { EndpointDescription } from '../../http/endpoint.js';
import { Limit, LIMIT } from '../../http/parameters.js';
import { runIdParameter } from './example-runs.js';

export const EventsQuery = z.strictObject({
  from: z
    .string()
    .regex(/^\d{1,9}$/, 'must be a revision')
    .transform(Number)
    .optional()
    .describe('The first revision wanted.'),
  cursor: z
    .string()
    .regex(/^\d{1,9}$/, 'must be the nextCursor of a page of this very list')
    .transform(Number)
    .optional()
    .describe('The nextCursor of the page before; goes before `from`.'),
  limit: Limit,
});
export type EventsQuery = z.output<typeof EventsQuery>;

/** Reads the events of a run, or follows them. */
export const LIST_RUN_EVENTS: EndpointDescription = {
  method: 'get',
  path: '/v1/runs/{id}/events',
  id: 'listRunEvents',
  tag: 'Runs',
  summary: 'Read or follow the events of a run',
  description:
    'A page of JSON, or with `Accept: text/event-stream` a stream (the id is the revision) that follows the run and ends after its last event; resuming past it with Last-Event-ID is 204.',
  parameters: {
    id: runIdParameter(),
    from: { schema: { type: 'integer', minimum: 0 }, examples: { welcome: 0 } },
    limit: LIMIT,
    'Last-Event-ID': {
      in: 'header',
      description: 'The last revision seen; only for a stream.',
      schema: { type: 'string' },
    },
  },
  answers: {
    200: {
      description: 'Events in order.',
      schema: EventListShape,
      headers: ['Stepwell-Position'],
      otherTypes: { 'text/event-stream': 'Server-sent events: `id` is the revision, `data` an Event.' },
    },
    204: { description: 'The run has ended and its last event was seen; do not come back.' },
  },
  problems: ['run-not-found', 'run-archived', 'run-parked', 'overloaded', 'storage-unavailable'],
};
