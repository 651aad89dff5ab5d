import { instantOf } from '#runtime';
import { z } from 'zod';
import type { Parameter } from './endpoint.js';

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

/** Routes without parameters: any is refused by name. */
export const NoQuery = z.strictObject({});
export type NoQuery = z.output<typeof NoQuery>;

/** The words of parameters that many endpoints take. */
export const LIMIT: Parameter = {
  description: 'How many a page has at most.',
  schema: { type: 'integer', minimum: 1, maximum: LIMIT_MAX, default: 50 },
};
export const MIN_POSITION: Readonly<Record<string, Parameter>> = {
  'Stepwell-Min-Position': {
    in: 'header',
    description: 'A Stepwell-Position of an earlier answer: the list waits until it shows that.',
    schema: { type: 'string' },
  },
};
/** Of requests that append events. */
export const ORIGIN: Readonly<Record<string, Parameter>> = {
  'Stepwell-Actor': {
    in: 'header',
    description:
      'Who asks, as the events will say (`actor`): 1 to 255 visible ASCII characters. Not checked by anybody.',
    schema: { type: 'string', minLength: 1, maxLength: 255 },
  },
  traceparent: {
    in: 'header',
    description: 'W3C trace context. A malformed one is passed over.',
    schema: { type: 'string' },
  },
};
