import 'reflect-metadata';
import { readFileSync, writeFileSync } from 'node:fs';
import { OPENAPI_PATH, openApiYaml } from './docs/openapi-yaml.js';
import { describeApi } from './workflow-api.module.js';

// Run in the root of the repository: by `npm run openapi:write`, and with --check by the checks, which then writes nothing.
const text = openApiYaml(await describeApi());
if (!process.argv.includes('--check')) writeFileSync(OPENAPI_PATH, text);
else if (readFileSync(OPENAPI_PATH, 'utf8') !== text) {
  process.stderr.write(`${OPENAPI_PATH} differs from the code; npm run openapi:write writes it anew.\n`);
  process.exitCode = 1;
}
