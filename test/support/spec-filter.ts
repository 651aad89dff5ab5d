import { readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { missingGo } from './go.js';
import { missingJava } from './java.js';
import { missingKafka } from './kafka.js';
import { missingPhp } from './php.js';
import { built } from './processes.js';
import { missingSmallDisk } from './small-disk-mount.js';

/** A line for each spec file that the last run was asked for and left out, with why: the last lines of the run. */
export const notRun: string[] = [];

type Need = { readonly module: string; readonly missing: () => Promise<string | null> | string | null };

/** A spec file says what it needs by what it imports, so that none can forget to. */
const NEEDS: readonly Need[] = [
  { module: '/support/go.js', missing: missingGo },
  { module: '/support/java.js', missing: missingJava },
  { module: '/support/kafka.js', missing: missingKafka },
  { module: '/support/php.js', missing: missingPhp },
  { module: '/support/small-disk.js', missing: missingSmallDisk },
];

/** Leaves the spec files out that cannot run on this machine, for want of what `npm ci` does not bring. */
const filterSpecs = async (paths: readonly string[]): Promise<{ readonly filtered: readonly string[] }> => {
  notRun.length = 0;
  const left = new Set<string>();
  for (const { module, missing } of NEEDS) {
    const needing = paths.filter((path) => readFileSync(path, 'utf8').includes(module));
    const why = needing.length === 0 ? null : await missing();
    if (why === null) continue;
    for (const path of needing) {
      left.add(path);
      notRun.push(`not run: ${relative(built(''), path).replace(/\.js$/, '.ts')}: ${why}`);
    }
  }
  if (left.size === 0) return { filtered: paths };
  const filtered = paths.filter((path) => !left.has(path));
  // Jest ends a run of nothing with an error, before it asks a reporter.
  if (filtered.length === 0) process.stderr.write(`${notRun.join('\n')}\n`);
  return { filtered };
};

// Jest takes its filter by `require`, as what the module is.
export { filterSpecs as 'module.exports' };
