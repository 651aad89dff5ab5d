import { z } from 'zod';
import { RUN_STATUSES, TAG_NAME_PATTERN, TAG_VALUE_PATTERN } from '#domain';
import { RunListShape } from '../../docs/run-schemas.js';
import type { EndpointDescription } from '../../http/endpoint.js';
import { Cursor, Instant, Limit, LIMIT, many, MIN_POSITION, Version } from '../../http/parameters.js';
import { Label, Name } from '../start-request.js';

const Tag = z
  .string()
  .regex(new RegExp(`${TAG_NAME_PATTERN.slice(0, -1)}=${TAG_VALUE_PATTERN.slice(1)}`, 'u'), 'must be name=value')
  .transform((text) => ({ name: text.slice(0, text.indexOf('=')), value: text.slice(text.indexOf('=') + 1) }));

/** Query of `GET /v1/runs`. No id: swagger would document no parameters for a schema that has one. */
export const RunsQuery = z.strictObject({
  status: many(z.enum(RUN_STATUSES)).describe('Any of these; repeat it for several.'),
  workflow: Name.optional(),
  version: Version.optional(),
  namespace: Name.optional(),
  queue: Name.optional(),
  tag: many(Tag).describe('`name=value`; repeat it to ask for several at once.'),
  key: Label.optional().describe('The Idempotency-Key of the start.'),
  correlationId: Label.optional(),
  requestor: Label.optional().describe('The `requestor` of the start, whole.'),
  stepKey: Label.optional().describe(
    'An Idempotency-Key that an application has received: finds the run that sent it.',
  ),
  from: Instant.optional().describe('Created at or after.'),
  to: Instant.optional().describe('Created before.'),
  resolved: z
    .enum(['true', 'false'])
    .transform((text) => text === 'true')
    .optional(),
  order: z.enum(['asc', 'desc']).default('desc').describe('By creation; `desc` has the newest first.'),
  limit: Limit,
  cursor: Cursor.optional(),
});
export type RunsQuery = z.output<typeof RunsQuery>;

/** Lists runs out of the views. */
export const LIST_RUNS: EndpointDescription = {
  method: 'get',
  path: '/v1/runs',
  id: 'listRuns',
  tag: 'Runs',
  summary: 'List runs',
  description:
    'From a view that follows the log within a moment. Filters are combined; `status` and `tag` may be repeated.',
  parameters: {
    ...MIN_POSITION,
    workflow: { examples: { welcome: 'welcome' } },
    limit: { ...LIMIT, examples: { welcome: 10 } },
  },
  answers: { 200: { description: 'A page of runs.', schema: RunListShape, headers: ['Stepwell-Position'] } },
  problems: ['cursor-invalid', 'view-behind', 'storage-unavailable'],
};
