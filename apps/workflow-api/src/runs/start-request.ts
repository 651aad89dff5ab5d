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
    workflow: Name.optional().describe('The workflow to start. Either this or `definition`.'),
    version: z
      .union([z.int(VERSION).min(1, VERSION), z.literal('draft')], VERSION)
      .optional()
      .describe('Of the workflow: a number, or `draft`. Left out: the latest.'),
    definition: DefinitionShape.optional().describe('A definition to run once. Either this or `workflow`.'),
    input: z.unknown().optional().describe('What the run is given. Any JSON; left out: null.'),
    namespace: Name.optional().describe('The environment that it runs in. Left out: `default`.'),
    queue: Name.optional().describe('The lane that it runs in. Left out: `default`.'),
    tags: Tags.optional().describe('Labels to find it by. They lie over those of the definition.'),
    variables: z.looseObject({}).optional().describe('They lie over the defaults of the definition.'),
    fromStep: z
      .string()
      .min(1)
      .max(1_024)
      .optional()
      .describe('The key of the step to begin at; those before it are skipped.'),
    idSuffix: z
      .string()
      .regex(ID_SUFFIX, 'must be 1 to 32 of a-z, 0-9 and "-"')
      .optional()
      .describe('Stands at the end of the id, for people.'),
    correlationId: Label.optional().describe('An id of yours that several runs share, to find them by.'),
    requestor: Label.optional().describe('Who asked for it, in your words; runs can be listed by it.'),
    timeoutMs: z.int().min(1).max(WAIT_MAX_MS).optional().describe('After this long it ends as `timed-out`.'),
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
  .meta({ id: 'StartRequest', oneOf: [{ required: ['workflow'] }, { required: ['definition'] }] });

export type StartRequest = z.infer<typeof StartRequest>;
