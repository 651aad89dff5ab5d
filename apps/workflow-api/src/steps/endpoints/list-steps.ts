import { z } from 'zod';
import { NODE_TYPES, STEP_STATUSES } from '#domain';
import { StepListShape } from '../../docs/step-schemas.js';
import type { EndpointDescription } from '../../http/endpoint.js';
import { Cursor, Instant, Limit, LIMIT, many, MIN_POSITION, Version } from '../../http/parameters.js';
import { Name } from '../../runs/start-request.js';

const ORIGIN_MAX = 2_048;

/** An origin in any spelling, in the one that a list has. */
const Target = z
  .string()
  .max(ORIGIN_MAX)
  .transform((text, context) => {
    const url = URL.parse(text);
    if (url !== null && /^https?:$/.test(url.protocol) && url.href === `${url.origin}/`) return url.origin;
    context.addIssue({ code: 'custom', message: 'must be an origin, such as http://app:4000, without a path' });
    return z.NEVER;
  });

/** Query of `GET /v1/steps`. */
export const StepsQuery = z.strictObject({
  status: many(z.enum(STEP_STATUSES)).describe('Any of these; repeat it for several.'),
  workflow: Name.optional(),
  version: Version.optional(),
  target: Target.optional().describe('The origin that its requests go to.'),
  type: z.enum(NODE_TYPES).optional(),
  namespace: Name.optional(),
  queue: Name.optional(),
  from: Instant.optional().describe('Entered at or after.'),
  to: Instant.optional().describe('Entered before.'),
  order: z
    .enum(['asc', 'desc'])
    .default('desc')
    .describe('By the start of the run, then by entry; `desc` has the newest first.'),
  limit: Limit,
  cursor: Cursor.optional(),
});
export type StepsQuery = z.output<typeof StepsQuery>;

/** Lists steps across runs out of the views. */
export const LIST_STEPS: EndpointDescription = {
  method: 'get',
  path: '/v1/steps',
  id: 'listSteps',
  tag: 'Runs',
  summary: 'List steps across runs',
  description:
    'From a view that follows the log within a moment; what waits, runs or has failed, by target and workflow, is one search. Completed steps are looked up in the runs that may have them, a bounded number for a page: a page may then hold fewer steps than `limit`, or none, and still have a `nextCursor`. Without `status` steps of every status are listed, completed ones too.',
  parameters: {
    ...MIN_POSITION,
    status: { examples: { troubled: ['waiting-retry'] } },
    workflow: { examples: { welcome: 'welcome' } },
    target: { schema: { type: 'string', format: 'uri' }, examples: { troubled: 'http://127.0.0.1:4000' } },
    limit: { ...LIMIT, examples: { welcome: 10 } },
  },
  answers: { 200: { description: 'A page of steps.', schema: StepListShape, headers: ['Stepwell-Position'] } },
  problems: ['cursor-invalid', 'view-behind', 'storage-unavailable'],
};
