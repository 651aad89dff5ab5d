import { VersionShape } from '../../docs/workflow-schemas.js';
import type { EndpointDescription } from '../../http/endpoint.js';
import { HttpProblem } from '../../http/problems.js';
import { WELCOME_NAME } from './definition-body.js';

/** A version in a path; what is no number is no version. */
export const parseVersion = (text: string): number => {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new HttpProblem({
    code: 'version-not-found',
    detail: `${JSON.stringify(text.slice(0, 40))} is no version: they are numbers from 1.`,
  });
};

/** Reads one version. */
export const GET_VERSION: EndpointDescription = {
  method: 'get',
  path: '/v1/workflows/{name}/versions/{version}',
  id: 'getVersion',
  tag: 'Workflows',
  summary: 'Read one version',
  parameters: {
    name: WELCOME_NAME,
    version: { description: 'Its number.', examples: { welcome: 1 }, schema: { type: 'integer', minimum: 1 } },
  },
  answers: {
    200: { description: 'The version with its document.', schema: VersionShape, headers: ['ETag'] },
    304: { description: 'If-None-Match names it.' },
  },
  problems: ['workflow-not-found', 'version-not-found', 'storage-unavailable'],
};
