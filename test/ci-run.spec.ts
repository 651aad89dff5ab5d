import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

const REPOSITORY = resolve(import.meta.dirname, '../..');

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'stepwell-ci-'));
  mkdirSync(join(root, '.ci'));
  cpSync(join(REPOSITORY, '.ci/run'), join(root, '.ci/run'));
});
afterEach(() => rmSync(root, { recursive: true }));

type Outcome = { readonly passed: number; readonly failed: number; readonly unloadable: number } | 'nothing';
type Plan = {
  readonly jest?: Outcome;
  readonly jestStatus?: number;
  /** What the crash test says last. */
  readonly crash?: string;
  readonly crashStatus?: number;
  /** What the cluster test says last. */
  readonly cluster?: string;
  /** Checks that fail, by the name of their script. */
  readonly failing?: readonly string[];
};

/** Runs `.ci/run` with an `npm` of ours, which does as the plan says. */
const run = (plan: Plan): { status: number | null; lastLine: string; said: string } => {
  const jest = plan.jest ?? { passed: 10, failed: 0, unloadable: 0 };
  const results =
    jest !== 'nothing' &&
    JSON.stringify({
      numPassedTests: jest.passed,
      numFailedTests: jest.failed,
      numRuntimeErrorTestSuites: jest.unloadable,
    });
  const npm = `#!/usr/bin/env bash
    for failing in ${(plan.failing ?? []).join(' ')}; do [[ " $* " == *" $failing "* ]] && exit 1; done
    if [[ $1 == test ]]; then
      for argument in "$@"; do [[ $argument == --outputFile=* ]] && file="\${argument#*=}"; done
      ${results === false ? '' : `printf '%s' '${results}' >"$file"`}
      exit ${plan.jestStatus ?? 0}
    fi
    if [[ " $* " == *" test:crash "* ]]; then
      printf '%s\\n' 'kills 60' '${plan.crash ?? '112 passed, 0 failed'}'
      exit ${plan.crashStatus ?? 0}
    fi
    if [[ " $* " == *" test:cluster "* ]]; then printf '%s\\n' '${plan.cluster ?? '7 passed, 0 failed'}'; fi`;
  const bin = join(root, 'bin');
  mkdirSync(bin, { recursive: true });
  writeFileSync(join(bin, 'npm'), npm);
  chmodSync(join(bin, 'npm'), 0o755);
  const env = { ...process.env, PATH: `${bin}${delimiter}${process.env['PATH']}` };
  const { status, stdout } = spawnSync('bash', [join(root, '.ci/run')], { env, encoding: 'utf8' });
  return { status, lastLine: stdout.trimEnd().split('\n').at(-1)!, said: stdout };
};

describe('.ci/run', () => {
  it('adds up the tests, the crash test, the cluster test and one for each of the six checks', () => {
    expect(run({})).toMatchObject({ status: 0, lastLine: '135 passed, 0 failed' });
  });

  it('counts a failed test, and a file of tests that could not be loaded', () => {
    const ended = run({ jest: { passed: 7, failed: 2, unloadable: 1 }, jestStatus: 1 });
    expect(ended).toMatchObject({ status: 1, lastLine: '132 passed, 3 failed' });
  });

  it.each(['ci', 'format:check', 'lint', 'typecheck', 'check:imports', 'check:openapi'])(
    'counts a failed `npm %s` and goes on to the end',
    (script) => {
      expect(run({ failing: [script] })).toMatchObject({ status: 1, lastLine: '134 passed, 1 failed' });
    },
  );

  it('counts a suite that executed nothing as a failure', () => {
    expect(run({ jest: { passed: 0, failed: 0, unloadable: 0 } })).toMatchObject({
      status: 1,
      lastLine: '125 passed, 1 failed',
    });
    expect(run({ jest: 'nothing' })).toMatchObject({ status: 1, lastLine: '125 passed, 1 failed' });
    expect(run({ crash: 'done' })).toMatchObject({ status: 1, lastLine: '23 passed, 1 failed' });
    expect(run({ cluster: '0 passed, 0 failed' })).toMatchObject({ status: 1, lastLine: '128 passed, 1 failed' });
    expect(run({ crash: '0 passed, 0 failed' })).toMatchObject({ status: 1, lastLine: '23 passed, 1 failed' });
  });

  it('counts a suite that ends with an error though it says that nothing failed', () => {
    expect(run({ jestStatus: 1 })).toMatchObject({ status: 1, lastLine: '135 passed, 1 failed' });
    expect(run({ crashStatus: 137 })).toMatchObject({ status: 1, lastLine: '135 passed, 1 failed' });
  });
});
