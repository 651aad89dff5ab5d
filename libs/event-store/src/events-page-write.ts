import { readFileSync, writeFileSync } from 'node:fs';
import { withEventTables } from './events-page.js';

// Run by `npm run events:write`, which starts in the root of the repository.
writeFileSync('docs/events.md', withEventTables(readFileSync('docs/events.md', 'utf8')));
