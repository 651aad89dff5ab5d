import { stringify } from 'yaml';
import { DEFINITION_TYPES } from '../http/request-body.js';
import { HELD_DEFINITION, WELCOME_DEFINITION } from './example-definitions.js';
import type { Operation, Parameter } from './operation.js';

const NAME = { description: 'The name of the workflow.' };
const welcome: Parameter = { ...NAME, examples: { welcome: 'welcome' } };
const limit: Parameter = {
  description: 'How many a page has.',
  schema: { type: 'integer', minimum: 1, maximum: 1000, default: 50 },
};
const VERSION_HEADERS = ['ETag', 'Stepwell-Position'] as const;
const preconditions: Readonly<Record<string, Parameter>> = {
  'If-Match': {
    in: 'header',
    description: 'The version seen, in quotes: publish only when it is still the latest. `*`: only when there is one.',
    schema: { type: 'string' },
  },
  'If-None-Match': {
    in: 'header',
    description: '`*`: publish only when there is none yet.',
    schema: { type: 'string' },
  },
};
const definitionBody = (examples: Readonly<Record<string, unknown>>): NonNullable<Operation['body']> => ({
  required: true,
  types: DEFINITION_TYPES.slice(0, 2),
  schema: 'Definition',
  examples,
  asText: { 'application/yaml': (document) => stringify(document) },
});
const BODY_PROBLEMS = ['malformed-json', 'malformed-yaml', 'payload-too-large', 'unsupported-media-type'] as const;

/** The operations on workflows, by method and path. */
export const WORKFLOW_OPERATIONS: Readonly<Record<string, Operation>> = {
  'post /v1/workflows/validate': {
    id: 'validateDefinition',
    tag: 'Workflows',
    summary: 'Check a definition',
    description: 'All findings in one answer, each with its place. Nothing is stored.',
    body: definitionBody({ welcome: WELCOME_DEFINITION }),
    answers: { 200: { description: 'Whether it could be published, and what was found.', schema: 'Validation' } },
    problems: BODY_PROBLEMS,
  },
  'put /v1/workflows/{name}': {
    id: 'publishWorkflow',
    tag: 'Workflows',
    summary: 'Publish a version',
    description:
      'The body is the definition itself, as JSON or YAML. Content that the latest version has already makes no new one.',
    parameters: { name: { ...NAME, examples: { welcome: 'welcome', retired: 'retired' } }, ...preconditions },
    body: definitionBody({ welcome: WELCOME_DEFINITION, retired: HELD_DEFINITION }),
    answers: {
      201: { description: 'A new version.', schema: 'PublishedVersion', headers: ['Location', ...VERSION_HEADERS] },
      200: {
        description: 'The latest version has this content.',
        schema: 'PublishedVersion',
        headers: ['Location', ...VERSION_HEADERS],
      },
    },
    problems: ['invalid-definition', 'precondition-failed', ...BODY_PROBLEMS, 'storage-unavailable', 'storage-full'],
  },
  'get /v1/workflows': {
    id: 'listWorkflows',
    tag: 'Workflows',
    summary: 'List workflows',
    description: 'By name.',
    parameters: { limit, archived: { schema: { type: 'boolean', default: false } } },
    answers: { 200: { description: 'A page of workflows.', schema: 'WorkflowList' } },
    problems: ['cursor-invalid'],
  },
  'get /v1/workflows/{name}': {
    id: 'getWorkflow',
    tag: 'Workflows',
    summary: 'Read a workflow',
    description: 'With the document of its latest version.',
    parameters: { name: welcome },
    answers: {
      200: { description: 'The workflow.', schema: 'Workflow', headers: ['ETag'] },
      304: { description: 'The version of If-None-Match is still the latest.' },
    },
    problems: ['workflow-not-found'],
  },
  'get /v1/workflows/{name}/versions': {
    id: 'listVersions',
    tag: 'Workflows',
    summary: 'List the versions of a workflow',
    description: 'Newest first.',
    parameters: { name: welcome, limit },
    answers: { 200: { description: 'A page of versions.', schema: 'VersionList' } },
    problems: ['workflow-not-found'],
  },
  'get /v1/workflows/{name}/versions/{version}': {
    id: 'getVersion',
    tag: 'Workflows',
    summary: 'Read one version',
    parameters: {
      name: welcome,
      version: { description: 'Its number.', examples: { welcome: 1 }, schema: { type: 'integer', minimum: 1 } },
    },
    answers: {
      200: { description: 'The version with its document.', schema: 'Version', headers: ['ETag'] },
      304: { description: 'If-None-Match names it.' },
    },
    problems: ['workflow-not-found', 'version-not-found'],
  },
  'put /v1/workflows/{name}/draft': {
    id: 'saveDraft',
    tag: 'Workflows',
    summary: 'Save the draft',
    description: 'It stands beside the versions and may be started as version `draft`.',
    parameters: { name: welcome },
    body: definitionBody({ welcome: WELCOME_DEFINITION }),
    answers: { 200: { description: 'The draft.', schema: 'SavedDraft', headers: ['Stepwell-Position'] } },
    problems: ['invalid-definition', ...BODY_PROBLEMS, 'storage-unavailable', 'storage-full'],
  },
  'get /v1/workflows/{name}/draft': {
    id: 'getDraft',
    tag: 'Workflows',
    summary: 'Read the draft',
    parameters: { name: welcome },
    answers: { 200: { description: 'The draft with its document.', schema: 'Draft' } },
    problems: ['workflow-not-found', 'draft-not-found'],
  },
  'delete /v1/workflows/{name}': {
    id: 'archiveWorkflow',
    tag: 'Workflows',
    summary: 'Archive a workflow',
    description: 'Its versions stay readable and its runs go on, but none can be started. Publishing brings it back.',
    parameters: { name: { ...NAME, examples: { retired: 'retired' } } },
    answers: { 200: { description: 'Since when it is archived.', schema: 'Archived', headers: ['Stepwell-Position'] } },
    problems: ['workflow-not-found', 'storage-unavailable', 'storage-full'],
  },
};
