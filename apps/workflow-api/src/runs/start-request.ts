import { z } from 'zod';
import { ID_SUFFIX } from './run-id.js';

const VISIBLE_TEXT = /^[^\p{Cc}]*$/u;
const TAGS_MAX = 50;

export const Name = z
  .string()
  .regex(/^[A-Za-z][A-Za-z0-9_-]{0,63}$/, 'must be a letter, then up to 63 letters, digits, "_" or "-"');
export const Label = z.string().min(1).max(255).regex(VISIBLE_TEXT, 'must not hold control characters');
export const Tags = z
  .record(z.string().min(1).max(64).regex(VISIBLE_TEXT), z.string().max(255).regex(VISIBLE_TEXT))
  .refine((tags) => Object.keys(tags).length <= TAGS_MAX, `must have at most ${TAGS_MAX} tags`);

/** A year; what is meant to take longer has no timeout. */
const TIMEOUT_MS_MAX = 366 * 24 * 3_600_000;

/** The body of `POST /v1/runs`. */
export const StartRequest = z
  .strictObject({
    workflow: Name.optional(),
    version: z.union([z.int().min(1), z.literal('draft')]).optional(),
    definition: z.looseObject({}).optional(),
    input: z.unknown().optional(),
    namespace: Name.optional(),
    queue: Name.optional(),
    tags: Tags.optional(),
    variables: z.looseObject({}).optional(),
    fromStep: z.string().min(1).max(1_024).optional(),
    idSuffix: z.string().regex(ID_SUFFIX, 'must be 1 to 32 of a-z, 0-9 and "-"').optional(),
    correlationId: Label.optional(),
    requestor: Label.optional(),
    timeoutMs: z.int().min(1).max(TIMEOUT_MS_MAX).optional(),
  })
  .superRefine((body, context) => {
    if ((body.workflow === undefined) === (body.definition === undefined)) {
      context.addIssue({
        code: 'custom',
        path: ['workflow'],
        message: 'give a workflow by name, or a definition, and not both',
      });
    }
    if (body.version !== undefined && body.workflow === undefined) {
      context.addIssue({ code: 'custom', path: ['version'], message: 'only a workflow given by name has versions' });
    }
  });

export type StartRequest = z.infer<typeof StartRequest>;
