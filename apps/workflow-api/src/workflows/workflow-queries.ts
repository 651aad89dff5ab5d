import { z } from 'zod';
import { HttpProblem } from '../http/problems.js';
import { Cursor, Limit } from '../runs/run-queries.js';
import { Name } from '../runs/start-request.js';

export const WorkflowsQuery = z.strictObject({
  archived: z
    .enum(['true', 'false'])
    .default('false')
    .transform((text) => text === 'true')
    .describe('`true` lists archived workflows too.'),
  limit: Limit,
  cursor: Cursor.optional(),
});
export type WorkflowsQuery = z.output<typeof WorkflowsQuery>;

export const VersionsQuery = z.strictObject({
  limit: Limit,
  cursor: z
    .string()
    .regex(/^[1-9]\d{0,8}$/, 'must be the nextCursor of a page of this very list')
    .optional(),
});
export type VersionsQuery = z.output<typeof VersionsQuery>;

/** A name under which something is stored; when read, a name that cannot be is just not found. */
export const NewName = Name;

/** A version in a path; what is no number is no version. */
export const parseVersion = (text: string): number => {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new HttpProblem({
    code: 'version-not-found',
    detail: `${JSON.stringify(text.slice(0, 40))} is no version: they are numbers from 1.`,
  });
};
