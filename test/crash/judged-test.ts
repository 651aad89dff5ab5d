import { closeConnections } from '../support/http-client.js';
import { tempFolder } from '../support/temp-folder.js';
import { passes, type Verdict } from './invariants.js';

export type JudgedTest = {
  readonly title: string;
  /** The command that does the same again. */
  readonly repeat: string;
  /** Leaves everything that was stored. */
  readonly keep: boolean;
  readonly perform: (tools: JudgedTools) => Promise<readonly Verdict[]>;
};

export type JudgedTools = {
  /** Everything that is stored goes here; it is kept when a promise was broken. */
  readonly folder: string;
  readonly say: (text: string) => void;
  readonly progress: (text: string, milestone: boolean) => void;
};

const VIOLATIONS_SHOWN = 5;

const say = (text: string): void => {
  process.stdout.write(`${text}\n`);
};

/** Long work shows that it goes on: one line, rewritten on a terminal, now and then elsewhere. */
const progress = (text: string, milestone: boolean): void => {
  if (process.stdout.isTTY) process.stdout.write(`\r\u001b[K${text}${milestone ? '' : '\r'}`);
  else if (milestone) say(text);
};

/** Performs a test as a script: says each verdict and, last, `N passed, N failed`; the exit code says whether all held. */
export const runJudged = async ({ title, repeat, keep, perform }: JudgedTest): Promise<void> => {
  const folder = await tempFolder('judged');
  try {
    say(title);
    const verdicts = await perform({ folder: folder.path, say, progress });
    if (process.stdout.isTTY) process.stdout.write('\r\u001b[K');
    for (const verdict of verdicts) report(verdict);
    const failed = verdicts.filter((verdict) => !passes(verdict)).length;
    if (failed > 0) {
      process.exitCode = 1;
      say(`repeat with: ${repeat}`);
    }
    if (failed > 0 || keep) say(`what was stored, and the evidence: ${folder.path}`);
    else await folder.remove();
    say(`${verdicts.length - failed} passed, ${failed} failed`);
  } catch (fault) {
    say(
      `stored in ${folder.path}\n${fault instanceof Error ? (fault.stack ?? fault.message) : String(fault)}\nrepeat with: ${repeat}`,
    );
    say('0 passed, 1 failed');
    process.exitCode = 1;
  } finally {
    closeConnections();
  }
};

const report = (verdict: Verdict): void => {
  const mark = passes(verdict) ? 'ok    ' : 'FAILED';
  const empty = verdict.checked === 0 ? '  (nothing to hold it against)' : '';
  say(
    `  ${mark} ${verdict.title.padEnd(84)}${verdict.checked.toLocaleString('en').padStart(9)} ${verdict.unit}${empty}`,
  );
  for (const violation of verdict.violations.slice(0, VIOLATIONS_SHOWN)) say(`           ${violation}`);
  if (verdict.violations.length > VIOLATIONS_SHOWN) say(`           … ${verdict.violations.length} in all`);
};
