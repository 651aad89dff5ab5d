import { writeFileSync } from 'node:fs';
import { configPage } from './config-page.js';

// Run by `npm run config:write`, which starts in the root of the repository.
writeFileSync('docs/configuration.md', configPage());
