import { instantOf } from '#runtime';
import { z } from 'zod';
import { Label, Name } from './start-request.js';

const RUN_STATUSES = ['running', 'completed', 'failed', 'cancelled', 'timed-out'] as const;
const LIMIT_MAX = 1_000;

/** A parameter that may be repeated. */
export const many = <Item extends z.ZodType>(item: Item) =>
  z.preprocess((given) => (given === undefined ? undefined : [given].flat()), z.array(item).max(50).optional());

export const Limit = z
  .string()
  .regex(/^\d{1,9}$/, `must be a whole number from 1 to ${LIMIT_MAX}`)
  .transform(Number)
  .pipe(z.int().min(1, `must be from 1 to ${LIMIT_MAX}`).max(LIMIT_MAX, `must be from 1 to ${LIMIT_MAX}`))
  .default(50);

export const Cursor = z.string().min(1).max(1_024);

/**
 * `Date.parse` takes the 30th of February for a day in March. And the views compare instants as text, which is right for
 * years of four digits only.
 */
const isOfCalendar = (text: string): boolean => {
  const ms = Date.parse(text);
  if (Number.isNaN(ms)) return false;
  const day = text.slice(0, 10);
  return instantOf(Date.parse(day)).startsWith(day) && /^\d{4}-/.test(instantOf(ms));
};

export const Instant = z
  .string()
  .regex(/^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d))?$/, {
    error: 'must be an ISO 8601 instant with its offset, such as 2026-01-31T12:00:00Z',
    abort: true,
  })
  .refine(isOfCalendar, 'is no instant of the calendar')
  .transform((text) => instantOf(Date.parse(text)));

const Tag = z
  .string()
  .regex(/^[^=\p{Cc}]{1,64}=[^\p{Cc}]{0,255}$/u, 'must be name=value')
  .transform((text) => ({ name: text.slice(0, text.indexOf('=')), value: text.slice(text.indexOf('=') + 1) }));

export const Version = z.union(
  [
    z.literal('draft'),
    z
      .string()
      .regex(/^[1-9]\d{0,8}$/)
      .transform(Number),
  ],
  'must be a version number or draft',
);

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

export const RunQuery = z.strictObject({
  view: z
    .enum(['slim', 'full'])
    .default('full')
    .describe('`full` lists nodes that the run has not reached, with their templates.'),
});
export type RunQuery = z.output<typeof RunQuery>;

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

/** Routes without parameters: any is refused by name. */
export const NoQuery = z.strictObject({});
export type NoQuery = z.output<typeof NoQuery>;

/** The body of a cancel, which may be left out. */
export const CancelRequest = z
  .strictObject({ reason: z.string().max(1_000).nullable().optional().describe("Why, in a person's words.") })
  .optional();
export type CancelRequest = z.output<typeof CancelRequest>;
