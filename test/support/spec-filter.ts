import { readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { missingKafka } from './kafka.js';
import { built } from './processes.js';

/** A line for each spec file that the last run was asked for and left out, with why: the last lines of the run. */
export const notRun: string[] = [];

/** A spec file says what it needs by what it imports, so that none can forget to. */
const needsKafka = (path: string): boolean => readFileSync(path, 'utf8').includes('/support/kafka.js');

/** Leaves the spec files out that cannot run on this machine, for want of a server that `npm ci` does not bring. */
const filterSpecs = async (paths: readonly string[]): Promise<{ readonly filtered: readonly string[] }> => {
  notRun.length = 0;
  const needing = paths.filter(needsKafka);
  const missing = needing.length === 0 ? null : await missingKafka();
  if (missing === null) return { filtered: paths };
  for (const path of needing) {
    notRun.push(`not run: ${relative(built(''), path).replace(/\.js$/, '.ts')}: ${missing}`);
  }
  const filtered = paths.filter((path) => !needing.includes(path));
  // Jest ends a run of nothing with an error, before it asks a reporter.
  if (filtered.length === 0) process.stderr.write(`${notRun.join('\n')}\n`);
  return { filtered };
};

// Jest takes its filter by `require`, as what the module is.
export { filterSpecs as 'module.exports' };
