import { z } from 'zod';
import { Cursor, Instant, Limit, Version, many } from '../runs/run-queries.js';
import { Name } from '../runs/start-request.js';

const STEP_STATUSES = ['scheduled', 'running', 'waiting-retry', 'completed', 'failed', 'cancelled', 'skipped'] as const;
const STEP_TYPES = ['step', 'sequence', 'parallel', 'pass', 'succeed', 'fail'] as const;
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
  type: z.enum(STEP_TYPES).optional(),
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
