import { parseArgs } from 'node:util';

import { systemEntropy } from '#runtime';

import { closeConnections } from '../support/http-client.js';
import { tempFolder } from '../support/temp-folder.js';
import { clusterTest } from './cluster-test.js';
import { passes, type Verdict } from '../crash/invariants.js';

const VIOLATIONS_SHOWN = 5;

const say = (text: string): void => {
  process.stdout.write(`${text}\n`);
};

/** Long work shows that it goes on: one line, rewritten on a terminal, now and then elsewhere. */
const progress = (text: string, milestone: boolean): void => {
  if (process.stdout.isTTY) process.stdout.write(`\r\u001b[K${text}${milestone ? '' : '\r'}`);
  else if (milestone) say(text);
};

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '180' },
    seed: { type: 'string' },
    keep: { type: 'boolean', default: false },
  },
});
const seconds = Number(values.seconds);
const seed = values.seed === undefined ? Number.parseInt(systemEntropy.hex(4), 16) : Number(values.seed);
if (!Number.isInteger(seconds) || seconds < 1 || !Number.isInteger(seed)) {
  throw new Error('usage: npm run test:cluster -- [--seconds N] [--seed S] [--keep]');
}

const report = (verdict: Verdict): void => {
  const mark = passes(verdict) ? 'ok    ' : 'FAILED';
  const empty = verdict.checked === 0 ? '  (nothing to hold it against)' : '';
  say(
    `  ${mark} ${verdict.title.padEnd(84)}${verdict.checked.toLocaleString('en').padStart(9)} ${verdict.unit}${empty}`,
  );
  for (const violation of verdict.violations.slice(0, VIOLATIONS_SHOWN)) say(`           ${violation}`);
  if (verdict.violations.length > VIOLATIONS_SHOWN) say(`           … ${verdict.violations.length} in all`);
};

const folder = await tempFolder('cluster');
try {
  say(`cluster test: seed ${seed}, ${seconds} s of faults`);
  const verdicts = await clusterTest({ seconds, seed, folder: folder.path, say, progress });
  if (process.stdout.isTTY) process.stdout.write('\r\u001b[K');
  for (const verdict of verdicts) report(verdict);
  const failed = verdicts.filter((verdict) => !passes(verdict)).length;
  if (failed > 0) {
    process.exitCode = 1;
    say(`repeat with: npm run test:cluster -- --seconds ${seconds} --seed ${seed}`);
  }
  if (failed > 0 || values.keep) say(`what was stored, and the evidence: ${folder.path}`);
  else await folder.remove();
  say(`${verdicts.length - failed} passed, ${failed} failed`);
} catch (fault) {
  say(
    `seed ${seed}, stored in ${folder.path}\n${fault instanceof Error ? (fault.stack ?? fault.message) : String(fault)}`,
  );
  say('0 passed, 1 failed');
  process.exitCode = 1;
} finally {
  closeConnections();
}
