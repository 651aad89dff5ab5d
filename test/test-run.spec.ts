import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

const REPOSITORY = resolve(import.meta.dirname, '../..');

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'stepwell-test-run-'));
  symlinkSync(process.execPath, join(root, 'node'));
});
afterEach(() => rmSync(root, { recursive: true }));

/** On a machine with nothing but Node.js: no program, no Docker, no server by name. */
const node = (args: readonly string[], env: Readonly<Record<string, string>> = {}) => {
  const bare = { PATH: root, HOME: root, DOCKER_HOST: `unix://${root}/docker.sock`, ...env };
  const ended = spawnSync(process.execPath, args, { cwd: REPOSITORY, env: bare, encoding: 'utf8', timeout: 15_000 });
  const { status, stdout, stderr } = ended;
  return { status, stdout, stderr, lastLines: stderr.trimEnd().split('\n') };
};

/** As `npm test` does. */
const jest = (args: readonly string[], env?: Readonly<Record<string, string>>) => {
  const flags = ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning', 'node_modules/jest/bin/jest.js'];
  return node([...flags, '--maxWorkers=1', ...args], env);
};

describe('a test run on a machine without a Kafka broker', () => {
  const RELAY = 'libs/relay/src/relay.spec.ts';

  it('passes without the spec files that need one, and names them and what is missing in its last lines', () => {
    const { status, stderr, lastLines } = jest(['libs/relay/src/(relay|commit-queue).spec']);
    expect(status).toBe(0);
    expect(stderr).toMatch(/Test Suites: 1 passed, 1 total/);
    expect(lastLines.at(-1)).toMatch(new RegExp(`^not run: ${RELAY}: no Kafka broker .* install kcat`));
    expect(lastLines.filter((line) => line.startsWith('not run: '))).toHaveLength(1);
  });

  it('says so too when nothing is left to run, which is an error', () => {
    const { status, stderr } = jest(['libs/relay/src/relay.spec']);
    expect(status).toBe(1);
    expect(stderr).toContain(`not run: ${RELAY}: no Kafka broker`);
  });

  it('takes them in where a broker is named', () => {
    const listed = (env: Readonly<Record<string, string>>) => jest(['--listTests', 'libs/relay'], env).stdout;
    const named = listed({ STEPWELL_TEST_KAFKA_BROKERS: '127.0.0.1:9092' });
    // In what order is Jest's to say: by how long they took the last time.
    for (const spec of [/\brelay\.spec\.js/, /\bkafka-trigger\.spec\.js/]) expect(named).toMatch(spec);
    expect(listed({})).not.toMatch(/\brelay\.spec\.js|kafka-trigger/);
  });
});

describe('the cluster test on a machine without a Kafka broker', () => {
  it('says what is missing, and ends', () => {
    const { status, stdout, stderr } = node(['dist/test/cluster/cluster-main.js']);
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    expect(stderr).toMatch(/^cluster test not run: no Kafka broker .*\n$/);
  });
});

describe('a spec file whose hooks fail', () => {
  const failing = (text: string): string => {
    writeFileSync(join(root, 'failing.spec.mjs'), text);
    const config = {
      rootDir: root,
      testMatch: ['<rootDir>/*.spec.mjs'],
      transform: {},
      testEnvironment: join(REPOSITORY, 'dist/test/support/spec-environment.js'),
    };
    const { status, stderr } = jest(['--config', JSON.stringify(config)]);
    expect(status).toBe(1);
    return stderr;
  };
  const FAILS = `() => { throw new Error('the cause'); }`;
  const FOLLOWS = `() => { throw new Error('the consequence'); }`;

  it.each(['beforeAll', 'beforeEach'])('reports the error of %s, and not what follows from it', (before) => {
    const said = failing(`${before}(${FAILS}); afterEach(${FOLLOWS}); afterAll(${FOLLOWS}); it('runs', () => {});`);
    expect(said).toMatch(/^ +the cause$/m);
    expect(said).not.toMatch(/^ +the consequence$/m);
    expect(said).toMatch(/Tests: +1 failed, 1 total/);
  });

  it.each(['afterEach', 'afterAll'])('reports the error of %s where a test has failed, or nothing', (after) => {
    for (const body of ['{}', FAILS.slice(6)]) {
      expect(failing(`${after}(${FOLLOWS}); it('runs', () => ${body});`)).toMatch(/^ +the consequence$/m);
    }
  });
});
