import { DefinitionSchemaShape } from '../../docs/service-schemas.js';
import type { EndpointDescription } from '../../http/endpoint.js';

/** Shows the schema of definitions, for editors. */
export const GET_DEFINITION_SCHEMA: EndpointDescription = {
  method: 'get',
  path: '/schemas/definition.json',
  id: 'getDefinitionSchema',
  tag: 'Service',
  summary: 'The JSON Schema of a definition, for editors',
  description:
    'Made from the tables that the service reads definitions by, with the limits that it runs with. An editor completes and checks by it: ' +
    'in YAML, a first line `# yaml-language-server: $schema=http://127.0.0.1:8080/schemas/definition.json`. ' +
    '`POST /v1/workflows/validate` finds more, such as a name that stands twice.',
  answers: { 200: { description: 'JSON Schema 2020-12.', schema: DefinitionSchemaShape } },
  problems: [],
};
