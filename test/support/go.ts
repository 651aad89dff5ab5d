import { spawnSync } from 'node:child_process';

/** Why no example in Go is run here, `null` when one can be. */
export const missingGo = (): string | null => (spawnSync('go', ['version']).status === 0 ? null : 'no go');
