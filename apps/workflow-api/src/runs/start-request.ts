import { z } from 'zod';
import { NAME_PATTERN, TAG_NAME_PATTERN, TAG_VALUE_PATTERN, WAIT_MAX_MS } from '#domain';
import { DefinitionShape } from '../docs/workflow-schemas.js';
import { ID_SUFFIX } from './run-id.js';

const VISIBLE_TEXT = /^[^\p{Cc}]*$/u;

export const Name = z
  .string()
  .regex(new RegExp(NAME_PATTERN), 'must be a letter, then up to 63 letters, digits, "_" or "-"');
export const Label = z.string().min(1).max(255).regex(VISIBLE_TEXT, 'must not hold control characters');
/** How many there may be is a setting, and counts those of the definition too. */
export const Tags = z.record(
  z.string().regex(new RegExp(TAG_NAME_PATTERN, 'u'), 'must be 1 to 64 characters, no "=" and no control characters'),
  z.string().regex(new RegExp(TAG_VALUE_PATTERN, 'u'), 'must be at most 255 characters, no control characters'),
);

const VERSION = 'must be a version number from 1, or "draft"';

/** The body of `POST /v1/runs`. */
export const StartRequest = z
  .strictObject({
    workflow: Name.optional(),
    version: z.union([z.int(VERSION).min(1, VERSION), z.literal('draft')], VERSION).optional(),
    definition: DefinitionShape.optional(),
    input: z.unknown().optional(),
    namespace: Name.optional(),
    queue: Name.optional(),
    tags: Tags.optional(),
    variables: z.looseObject({}).optional(),
    fromStep: z.string().min(1).max(1_024).optional(),
    idSuffix: z.string().regex(ID_SUFFIX, 'must be 1 to 32 of a-z, 0-9 and "-"').optional(),
    correlationId: Label.optional(),
    requestor: Label.optional(),
    timeoutMs: z.int().min(1).max(WAIT_MAX_MS).optional(),
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
  })
  .meta({ id: 'StartRequest' });

export type StartRequest = z.infer<typeof StartRequest>;
