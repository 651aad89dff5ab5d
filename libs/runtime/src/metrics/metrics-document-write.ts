import { writeFileSync } from 'node:fs';
import { metricsDocument } from './metrics-document.js';

// Run by `npm run metrics:write`, which starts in the root of the repository.
writeFileSync('docs/metrics.md', metricsDocument());
