import { z } from 'zod';
import { VersionListShape } from '../../docs/workflow-schemas.js';
import type { EndpointDescription } from '../../http/endpoint.js';
import { Limit, LIMIT } from '../../http/parameters.js';
import { WELCOME_NAME } from './definition-body.js';

export const VersionsQuery = z.strictObject({
  limit: Limit,
  cursor: z
    .string()
    .regex(/^[1-9]\d{0,8}$/, 'must be the nextCursor of a page of this very list')
    .optional(),
});
export type VersionsQuery = z.output<typeof VersionsQuery>;

/** Lists the versions of a workflow. */
export const LIST_VERSIONS: EndpointDescription = {
  method: 'get',
  path: '/v1/workflows/{name}/versions',
  id: 'listVersions',
  tag: 'Workflows',
  summary: 'List the versions of a workflow',
  description: 'Newest first.',
  parameters: { name: WELCOME_NAME, limit: LIMIT },
  answers: { 200: { description: 'A page of versions.', schema: VersionListShape } },
  problems: ['workflow-not-found', 'storage-unavailable'],
};
