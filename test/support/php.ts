import { spawnSync } from 'node:child_process';

const HAS_PDO = 'exit(PHP_MAJOR_VERSION >= 8 && extension_loaded("pdo_sqlite") ? 0 : 1);';

/** Why no example in PHP is run here, `null` when one can be. */
export const missingPhp = (): string | null =>
  spawnSync('php', ['-r', HAS_PDO]).status === 0 ? null : 'no php 8 with pdo_sqlite';
