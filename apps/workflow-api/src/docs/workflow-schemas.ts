import { z } from 'zod';
import { NextCursor } from './run-schemas.js';

const Instant = z.iso.datetime();
const Labels = z.record(z.string(), z.string());

export const FindingShape = z
  .strictObject({
    severity: z.enum(['error', 'warning']),
    pointer: z.string().describe('A JSON pointer into the definition.'),
    detail: z.string(),
    line: z.int().nullable(),
    column: z.int().nullable(),
    suggestion: z.string().nullable().describe('What was probably meant.'),
  })
  .meta({ id: 'Finding', description: 'One thing that is wrong, or worth a look, in a definition.' });

/** Any object here: the compiler reads definitions. The documents have the schema that is made of its tables. */
export const DefinitionShape = z.looseObject({}).meta({ id: 'Definition' });

const definition = {
  definition: DefinitionShape,
  source: z.string().nullable().describe('The document as its author sent it, when that was YAML.'),
};

const stored = {
  name: z.string(),
  hash: z.string().describe('SHA-256 of the canonical document: the same content in JSON and in YAML has the same.'),
  plan: z.string().describe('SHA-256 of the plan that runs of it execute.'),
  format: z.enum(['json', 'yaml']),
  description: z.string().nullable(),
  tags: Labels,
  createdAt: Instant,
};

export const VersionListItemShape = z.strictObject({ ...stored, version: z.int() }).meta({ id: 'VersionListItem' });
export const VersionShape = VersionListItemShape.extend(definition).meta({
  id: 'Version',
  description: 'One version; it never changes.',
});
export const PublishedShape = VersionListItemShape.extend({
  findings: z.array(FindingShape).describe('Warnings.'),
}).meta({ id: 'PublishedVersion' });
export const DraftShape = z
  .strictObject({ ...stored, version: z.literal('draft'), ...definition })
  .meta({ id: 'Draft' });
export const SavedDraftShape = z
  .strictObject({
    ...stored,
    version: z.literal('draft'),
    findings: z.array(FindingShape),
  })
  .meta({ id: 'SavedDraft' });

export const WorkflowListItemShape = z
  .strictObject({
    name: z.string(),
    latestVersion: z.int().nullable().describe('`null` while there is only a draft.'),
    description: z.string().nullable(),
    tags: Labels,
    createdAt: Instant.nullable(),
    updatedAt: Instant.nullable(),
    archivedAt: Instant.nullable(),
    draftSavedAt: Instant.nullable(),
  })
  .meta({ id: 'WorkflowListItem' });
export const WorkflowShape = WorkflowListItemShape.extend(definition).meta({
  id: 'Workflow',
  description: 'A workflow with the document of its latest version.',
});
export const WorkflowListShape = z
  .strictObject({ items: z.array(WorkflowListItemShape), nextCursor: NextCursor })
  .meta({ id: 'WorkflowList' });
export const VersionListShape = z
  .strictObject({ items: z.array(VersionListItemShape), nextCursor: NextCursor })
  .meta({ id: 'VersionList' });
export const ArchivedShape = z.strictObject({ name: z.string(), archivedAt: Instant }).meta({ id: 'Archived' });
export const ValidationShape = z
  .strictObject({ valid: z.boolean(), findings: z.array(FindingShape) })
  .meta({ id: 'Validation' });
