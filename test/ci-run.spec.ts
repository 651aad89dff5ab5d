import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
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
beforeEach(() => ['kcat', 'go', 'php'].forEach((name) => writeProgram(name, 'exit 0')));
afterEach(() => rmSync(root, { recursive: true }));

type Outcome = { readonly passed: number; readonly failed: number; readonly unloadable: number } | 'nothing';
type Plan = {
  readonly jest?: Outcome;
  readonly jestStatus?: number;
  /** Spec files that the tests leave out. */
  readonly notRun?: readonly string[];
  /** What the crash test says last. */
  readonly crash?: string;
  readonly crashStatus?: number;
  /** What the cluster test says last. */
  readonly cluster?: string;
  /** Checks that fail, by the name of their script. */
  readonly failing?: readonly string[];
};

const writeProgram = (name: string, text: string): void => {
  const bin = join(root, 'bin');
  mkdirSync(bin, { recursive: true });
  writeFileSync(join(bin, name), `#!/usr/bin/env bash\n${text}`);
  chmodSync(join(bin, name), 0o755);
};

/** Programs of the system that `.ci/run` uses, by themselves: the path then holds nothing that it may look for. */
const linkPrograms = (): void => {
  for (const name of ['bash', 'env', 'dirname', 'mktemp', 'rm', 'node', 'grep', 'tail', 'tee', 'tr', 'id', 'timeout']) {
    const { stdout } = spawnSync('bash', ['-c', `type -P ${name}`], { encoding: 'utf8' });
    if (stdout !== '') symlinkSync(stdout.trim(), join(root, 'bin', name));
  }
};

/** Runs `.ci/run` with an `npm` of ours, which does as the plan says. */
const run = (
  plan: Plan,
  path = `${join(root, 'bin')}${delimiter}${process.env['PATH']}`,
): { status: number | null; lastLine: string; said: string } => {
  const jest = plan.jest ?? { passed: 10, failed: 0, unloadable: 0 };
  const results =
    jest !== 'nothing' &&
    JSON.stringify({
      numPassedTests: jest.passed,
      numFailedTests: jest.failed,
      numRuntimeErrorTestSuites: jest.unloadable,
    });
  const npm = `
    for failing in ${(plan.failing ?? []).join(' ')}; do [[ " $* " == *" $failing "* ]] && exit 1; done
    if [[ $1 == test ]]; then
      for argument in "$@"; do [[ $argument == --outputFile=* ]] && file="\${argument#*=}"; done
      ${results === false ? '' : `printf '%s' '${results}' >"$file"`}
      printf '%s\\n' ${(plan.notRun ?? []).map((file) => `'not run: ${file}: no broker'`).join(' ')} >&2
      exit ${plan.jestStatus ?? 0}
    fi
    if [[ " $* " == *" test:crash "* ]]; then
      printf '%s\\n' 'kills 60' '${plan.crash ?? '112 passed, 0 failed'}'
      exit ${plan.crashStatus ?? 0}
    fi
    if [[ " $* " == *" test:simulation "* ]]; then printf '%s\\n' '20 passed, 0 failed'; fi
    if [[ " $* " == *" test:cluster "* ]]; then printf '%s\\n' '${plan.cluster ?? '7 passed, 0 failed'}'; fi`;
  writeProgram('npm', npm);
  const env = { ...process.env, STEPWELL_TEST_KAFKA_BROKERS: '', PATH: path };
  const { status, stdout } = spawnSync('bash', [join(root, '.ci/run')], { env, encoding: 'utf8' });
  return { status, lastLine: stdout.trimEnd().split('\n').at(-1)!, said: stdout };
};

describe('.ci/run', () => {
  it('adds up the tests, the crash test, the simulation, the cluster test and one for each of the six checks', () => {
    expect(run({})).toMatchObject({ status: 0, lastLine: '155 passed, 0 failed' });
  });

  it('counts a failed test, and a file of tests that could not be loaded', () => {
    const ended = run({ jest: { passed: 7, failed: 2, unloadable: 1 }, jestStatus: 1 });
    expect(ended).toMatchObject({ status: 1, lastLine: '152 passed, 3 failed' });
  });

  it.each(['ci', 'format:check', 'lint', 'typecheck', 'check:imports', 'check:openapi'])(
    'counts a failed `npm %s` and goes on to the end',
    (script) => {
      expect(run({ failing: [script] })).toMatchObject({ status: 1, lastLine: '154 passed, 1 failed' });
    },
  );

  it('counts a suite that executed nothing as a failure', () => {
    expect(run({ jest: { passed: 0, failed: 0, unloadable: 0 } })).toMatchObject({
      status: 1,
      lastLine: '145 passed, 1 failed',
    });
    expect(run({ jest: 'nothing' })).toMatchObject({ status: 1, lastLine: '145 passed, 1 failed' });
    expect(run({ crash: 'done' })).toMatchObject({ status: 1, lastLine: '43 passed, 1 failed' });
    expect(run({ cluster: '0 passed, 0 failed' })).toMatchObject({ status: 1, lastLine: '148 passed, 1 failed' });
    expect(run({ crash: '0 passed, 0 failed' })).toMatchObject({ status: 1, lastLine: '43 passed, 1 failed' });
  });

  it('counts a suite that ends with an error though it says that nothing failed', () => {
    expect(run({ jestStatus: 1 })).toMatchObject({ status: 1, lastLine: '155 passed, 1 failed' });
    expect(run({ crashStatus: 137 })).toMatchObject({ status: 1, lastLine: '155 passed, 1 failed' });
  });

  it('counts each spec file that was not run as a failure, though the tests have passed', () => {
    const ended = run({ notRun: ['libs/relay/src/a.spec.ts', 'libs/relay/src/b.spec.ts'] });
    expect(ended).toMatchObject({ status: 1, lastLine: '155 passed, 2 failed' });
  });

  it('lets be left out what needs a language that cannot be had', () => {
    const ended = run({ notRun: ['test/e2e/go-step.spec.ts: no go:', 'test/e2e/php-step.spec.ts: no php:'] });
    expect(ended).toMatchObject({ status: 0, lastLine: '155 passed, 0 failed' });
  });

  it('installs a Kafka broker and the languages of the examples where there are none, after it has learnt of the packages when it must', () => {
    const asked = join(root, 'asked');
    writeProgram(
      'apt-get',
      `printf '%s\\n' "$*" >>'${asked}'; [[ $1 == update ]] && : >'${asked}.updated'; [[ -e '${asked}.updated' ]]`,
    );
    writeProgram('sudo', 'shift; "$@"');
    run({});
    expect(existsSync(asked)).toBe(false);
    for (const name of ['kcat', 'go', 'php']) rmSync(join(root, 'bin', name));
    linkPrograms();
    expect(run({}, join(root, 'bin'))).toMatchObject({ status: 0 });
    const install = 'install -y --no-install-recommends kcat golang-go php-cli php-sqlite3';
    expect(readFileSync(asked, 'utf8').trim().split('\n')).toEqual([install, 'update', install]);
  });
});
