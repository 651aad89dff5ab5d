import { stringify } from 'yaml';
import type { OpenApiDocument } from './openapi-document.js';

export const OPENAPI_PATH = 'openapi/openapi.yaml';

/** The text of `openapi/openapi.yaml`: the document for people, who see in each change what changes for clients. */
export const openApiYaml = (document: OpenApiDocument): string =>
  `# Written by npm run openapi:write from the code; a test holds the two together.\n${stringify(document, { lineWidth: 120, aliasDuplicateObjects: false })}`;
