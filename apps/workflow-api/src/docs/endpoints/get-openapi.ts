import { OpenApiShape } from '../../docs/service-schemas.js';
import type { EndpointDescription } from '../../http/endpoint.js';

/** Shows the OpenAPI document. */
export const GET_OPENAPI: EndpointDescription = {
  method: 'get',
  path: '/openapi.json',
  id: 'getOpenApi',
  tag: 'Service',
  summary: 'This document',
  answers: { 200: { description: 'OpenAPI 3.1.', schema: OpenApiShape } },
  problems: [],
};
