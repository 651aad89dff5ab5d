import { spawnSync } from 'node:child_process';

/** A single file is run from its source since 11; examples use what 17 has. */
const OLDEST = 17;

/** Why no example in Java is run here, `null` when one can be. */
export const missingJava = (): string | null => {
  const { status, stderr } = spawnSync('java', ['-version'], { encoding: 'utf8' });
  const version = status === 0 ? Number(/version "(\d+)/.exec(stderr)?.[1] ?? 0) : 0;
  return version >= OLDEST ? null : `no java ${OLDEST} or newer`;
};
