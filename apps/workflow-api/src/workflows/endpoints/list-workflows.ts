import { z } from 'zod';
import { WorkflowListShape } from '../../docs/workflow-schemas.js';
import type { EndpointDescription } from '../../http/endpoint.js';
import { Cursor, Limit, LIMIT } from '../../http/parameters.js';

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

/** Lists workflows by name. */
export const LIST_WORKFLOWS: EndpointDescription = {
  method: 'get',
  path: '/v1/workflows',
  id: 'listWorkflows',
  tag: 'Workflows',
  summary: 'List workflows',
  description: 'By name.',
  parameters: { limit: LIMIT, archived: { schema: { type: 'boolean', default: false } } },
  answers: { 200: { description: 'A page of workflows.', schema: WorkflowListShape } },
  problems: ['cursor-invalid'],
};
