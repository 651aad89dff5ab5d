import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { configPage } from './config-page.js';
import { ConfigRefused, loadConfig, type ConfigProblem } from './config.js';
import { SETTINGS } from './settings.js';

const problemsOf = (env: Record<string, string>): readonly ConfigProblem[] => {
  try {
    loadConfig(env);
    return [];
  } catch (error) {
    if (error instanceof ConfigRefused) return error.problems;
    throw error;
  }
};
/** A mechanism is taken with a name and a password only. */
const sasl = (name: string): Record<string, string> =>
  name === 'STEPWELL_KAFKA_SASL_MECHANISM'
    ? { [name]: 'plain', STEPWELL_KAFKA_SASL_USERNAME: 'none', STEPWELL_KAFKA_SASL_PASSWORD: 'none' }
    : {};
const problemOf = (name: string, value: string): string | undefined => problemsOf({ [name]: value })[0]?.problem;

describe('the configuration', () => {
  it('has the documented defaults when the environment says nothing', () => {
    const config = loadConfig({ PATH: '/bin', HOME: '/root' });
    expect(config).toMatchObject({
      http: { host: '127.0.0.1', port: 8080 },
      eventStore: 'sqlite',
      limits: { payloadMaxBytes: 262_144, definitionMaxBytes: 524_288, planNodesMax: 10_000, tagsMax: 50 },
      dispatch: { attemptsMax: 1024, attemptsPerOriginMax: 512 },
      shutdown: { graceMs: 10_000 },
    });
    expect(config.dataDir).toBe(resolve('data'));
  });

  it('takes every setting from its own variable', () => {
    const before = JSON.stringify(loadConfig({}));
    const others: Record<string, string> = {
      STEPWELL_HOST: '::1',
      STEPWELL_DATA_DIR: '/elsewhere',
      STEPWELL_EVENT_STORE: 'memory',
      STEPWELL_EVENTSTOREDB_URL: 'esdb://node',
      STEPWELL_VIEWS_URL: 'postgres://db/views',
      STEPWELL_OTLP_URL: 'http://collector:4318/v1/traces',
      STEPWELL_LIMITS: '[{ kind: queue, name: a, concurrency: 1 }]',
      STEPWELL_RETENTION_HOURS: '24',
      STEPWELL_ARCHIVE_DIR: 'elsewhere',
      STEPWELL_LOG_LEVEL: 'warn',
      STEPWELL_LOG_FORMAT: 'json',
      STEPWELL_KAFKA_BROKERS: 'a:1',
      STEPWELL_KAFKA_EVENTS: 'RunStarted',
      STEPWELL_KAFKA_TRIGGER_WORKFLOW: 'welcome',
      STEPWELL_KAFKA_TLS: 'on',
    };
    for (const [name, { default: text }] of Object.entries(SETTINGS)) {
      const env = { [name]: others[name] ?? String(Number(text) - 1), ...sasl(name) };
      const after = JSON.stringify(loadConfig(env));
      expect(`${name}: ${after === before}`).toBe(`${name}: false`);
    }
  });

  it('resolves the data folder, so that a change of folder later does not move the data', () => {
    expect(isAbsolute(loadConfig({ STEPWELL_DATA_DIR: 'some/where' }).dataDir)).toBe(true);
  });

  it.each([' ', './data ', ' ./data', '\t/data', '/data\n'])('refuses a data folder named %j', (folder) => {
    expect(problemOf('STEPWELL_DATA_DIR', folder)).toContain('without blanks');
  });

  it('names every problem at once', () => {
    const [empty, wrong] = ['', 'loud'];
    const problems = problemsOf({
      STEPWELL_PROT: '1',
      STEPWELL_PORT: 'http',
      STEPWELL_LOG_LEVEL: wrong,
      STEPWELL_HOST: empty,
      STEPWELL_LOG_FORMAT: empty,
    });
    expect(problems.map((each) => each.name)).toEqual([
      'STEPWELL_HOST',
      'STEPWELL_LOG_FORMAT',
      'STEPWELL_LOG_LEVEL',
      'STEPWELL_PORT',
      'STEPWELL_PROT',
    ]);
  });

  it('reads limits as JSON, as YAML, or from a file', () => {
    const expected = [
      { kind: 'queue', name: 'bulk', namespace: null, concurrency: null, ratePerSecond: 2.5, burst: 3 },
      { kind: 'target', name: 'http://app:4000', namespace: null, concurrency: 8, ratePerSecond: null, burst: 1 },
    ];
    const json = JSON.stringify([
      { kind: 'queue', name: 'bulk', ratePerSecond: 2.5 },
      { kind: 'target', name: 'http://app:4000/', concurrency: 8 },
    ]);
    expect(loadConfig({ STEPWELL_LIMITS: json }).dispatch.limits).toEqual(expected);
    const yaml =
      '- { kind: queue, name: bulk, ratePerSecond: 2.5 }\n- { kind: target, name: http://app:4000, concurrency: 8 }';
    const folder = mkdtempSync(join(tmpdir(), 'stepwell-limits-'));
    const file = join(folder, 'limits.yaml');
    writeFileSync(file, yaml);
    expect(loadConfig({ STEPWELL_LIMITS: file }).dispatch.limits).toEqual(expected);
    rmSync(folder, { recursive: true });
    expect(problemOf('STEPWELL_LIMITS', file)).toContain('cannot be read');
  });

  it.each([
    ['no list', '{}', 'expected array'],
    ['what is no YAML', '[', 'cannot be parsed as JSON or YAML'],
    ['an unknown kind', '[{ kind: lane, name: a, concurrency: 1 }]', 'limit 0.kind: must be target, queue or key'],
    ['a misspelt member', '[{ kind: queue, name: a, concurency: 1 }]', 'concurency'],
    ['nothing limited', '[{ kind: queue, name: a }]', 'limits nothing'],
    ['nobody let through', '[{ kind: queue, name: a, concurrency: 0 }]', 'limit 0.concurrency'],
    ['a path', '[{ kind: target, name: "http://a/b", concurrency: 1 }]', 'must be an origin'],
    ['a target of a namespace', '[{ kind: target, name: "*", namespace: n, concurrency: 1 }]', 'one for all'],
    ['any tag', '[{ kind: key, name: "*", concurrency: 1 }]', 'must name a tag'],
    ['a burst of no rate', '[{ kind: queue, name: a, concurrency: 1, burst: 2 }]', 'burst without ratePerSecond'],
    [
      'one thing twice',
      '[{ kind: queue, name: a, concurrency: 1 }, { kind: queue, name: a, concurrency: 2 }]',
      'queue a is limited twice',
    ],
  ])('refuses limits with %s', (_name, text, problem) => {
    expect(problemOf('STEPWELL_LIMITS', text)).toContain(problem);
  });

  it('names the nearest setting for one that it does not know', () => {
    expect(problemOf('STEPWELL_PROT', '1')).toContain('the nearest is STEPWELL_PORT');
    expect(problemOf('stepwell_host', 'x')).toContain('the nearest is STEPWELL_HOST');
    expect(problemOf('STEPWELL_DATADIR', 'x')).toContain('the nearest is STEPWELL_DATA_DIR');
    expect(problemOf('STEPWELL_RABBIT_URL', 'x')).toMatch(/the nearest is STEPWELL_\w+$/);
  });

  it('lets what the tests are told by the environment pass', () => {
    expect(loadConfig({ STEPWELL_TEST_POSTGRES_URL: 'postgres://db' })).toEqual(loadConfig({}));
  });

  it('takes brokers, topics and a login for Kafka', () => {
    const { kafka } = loadConfig({
      STEPWELL_KAFKA_BROKERS: 'kafka-1:9092, 10.0.0.7:19092',
      STEPWELL_KAFKA_EVENTS: 'RunStarted, RunCompleted',
      STEPWELL_KAFKA_TRIGGER_TOPIC: 'orders',
      STEPWELL_KAFKA_TLS: 'on',
      STEPWELL_KAFKA_SASL_MECHANISM: 'scram-sha-512',
      STEPWELL_KAFKA_SASL_USERNAME: 'stepwell',
      STEPWELL_KAFKA_SASL_PASSWORD: 'a, b',
    });
    expect(kafka).toEqual({
      brokers: ['kafka-1:9092', '10.0.0.7:19092'],
      tls: true,
      sasl: { mechanism: 'scram-sha-512', username: 'stepwell', password: 'a, b' },
      topic: 'stepwell.run-events',
      events: ['RunStarted', 'RunCompleted'],
      deadLetterTopic: 'stepwell.dead-letters',
      trigger: { topic: 'orders', groupId: 'stepwell', workflow: null, keyHeader: 'idempotency-key' },
    });
    expect(loadConfig({}).kafka).toMatchObject({ brokers: [], events: 'all', trigger: { topic: null } });
  });

  it.each([
    ['STEPWELL_KAFKA_BROKERS', 'kafka'],
    ['STEPWELL_KAFKA_BROKERS', 'a:9092,,b:9092'],
    ['STEPWELL_KAFKA_BROKERS', '[::1]:9092'],
    ['STEPWELL_KAFKA_TOPIC', 'run events'],
    ['STEPWELL_KAFKA_TOPIC', '..'],
    ['STEPWELL_KAFKA_EVENTS', 'RunStarted,'],
    ['STEPWELL_KAFKA_EVENTS', 'runStarted'],
    ['STEPWELL_KAFKA_TRIGGER_TOPIC', 'a/b'],
    ['STEPWELL_KAFKA_TRIGGER_WORKFLOW', '7up'],
    ['STEPWELL_KAFKA_TLS', 'true'],
    ['STEPWELL_KAFKA_SASL_MECHANISM', 'gssapi'],
  ])('refuses %s=%s', (name, value) => {
    expect(problemsOf({ [name]: value }).map((each) => each.name)).toEqual([name]);
  });

  it('refuses a mechanism without a login, and a topic that would feed itself', () => {
    const login = problemsOf({ STEPWELL_KAFKA_SASL_MECHANISM: 'plain', STEPWELL_KAFKA_SASL_USERNAME: 'me' });
    expect(login.map((each) => each.name)).toEqual(['STEPWELL_KAFKA_SASL_PASSWORD']);
    const topics = {
      STEPWELL_KAFKA_TRIGGER_TOPIC: 'a',
      STEPWELL_KAFKA_TOPIC: 'a',
      STEPWELL_KAFKA_DEAD_LETTER_TOPIC: 'a',
    };
    const names = problemsOf(topics).map((each) => each.name);
    expect(names).toEqual(['STEPWELL_KAFKA_DEAD_LETTER_TOPIC', 'STEPWELL_KAFKA_TOPIC']);
  });

  it('takes a Postgres for the views, and never shows its password', () => {
    const url = 'postgres://me:secret@db:5432/views';
    expect(loadConfig({ STEPWELL_VIEWS_URL: url }).views.url).toBe(url);
    expect(loadConfig({}).views.url).toBeNull();
    for (const wrong of ['mysql://me:secret@db/views', 'postgres://', 'secret', 'postgres:secret']) {
      const problem = problemOf('STEPWELL_VIEWS_URL', wrong);
      expect(problem).toContain('must be a URL like postgres://');
      expect(problem).not.toContain('secret');
    }
  });

  it('lets what the tests are told by the environment pass', () => {
    expect(loadConfig({ STEPWELL_TEST_POSTGRES_URL: 'postgres://db' })).toEqual(loadConfig({}));
  });

  it('lets what the tests are told by the environment pass', () => {
    expect(loadConfig({ STEPWELL_TEST_POSTGRES_URL: 'postgres://db' })).toEqual(loadConfig({}));
  });

  it.each(['', ' 1', '1e3', '-1', '1.5', '65536', '0x10', '９', '9'.repeat(400)])('refuses the port %j', (port) => {
    expect(problemOf('STEPWELL_PORT', port)).toBeDefined();
  });

  it.each(['http://localhost', 'localhost:80', '[::1]', '999.1.1.1', 'a b', '-x', ''])(
    'refuses the host %j',
    (host) => {
      expect(problemOf('STEPWELL_HOST', host)).toBeDefined();
    },
  );

  it.each(['localhost', '0.0.0.0', '::', 'stepwell.internal'])('takes the host %j', (host) => {
    expect(loadConfig({ STEPWELL_HOST: host }).http.host).toBe(host);
  });

  it('wants a connection string for eventstoredb, and takes it', () => {
    const url = 'esdb://admin:changeit@node:2113?tls=false';
    expect(problemsOf({ STEPWELL_EVENT_STORE: 'eventstoredb' })).toEqual([
      { name: 'STEPWELL_EVENTSTOREDB_URL', problem: 'is missing; STEPWELL_EVENT_STORE=eventstoredb needs it' },
    ]);
    const config = loadConfig({ STEPWELL_EVENT_STORE: 'eventstoredb', STEPWELL_EVENTSTOREDB_URL: url });
    expect(config).toMatchObject({ eventStore: 'eventstoredb', eventStoreDb: { url } });
    expect(loadConfig({}).eventStoreDb).toBe(null);
  });

  it('shows no password of a connection string that it refuses', () => {
    const problem = problemOf('STEPWELL_EVENTSTOREDB_URL', 'http://admin:changeit@node');
    expect(problem).toBe('is not shown, but must begin with esdb://, esdb+discover:// or kurrentdb://');
  });

  it('takes the URL of a collector, and nothing that is none', () => {
    expect(loadConfig({}).traces.otlpUrl).toBe(null);
    expect(loadConfig({ STEPWELL_OTLP_URL: 'http://c:4318/v1/traces' }).traces.otlpUrl).toBe('http://c:4318/v1/traces');
    expect(problemOf('STEPWELL_OTLP_URL', 'collector:4318')).toContain('must be an http:// or https:// URL');
  });

  it('leaves variables of the tests alone', () => {
    expect(problemsOf({ STEPWELL_TEST_EVENTSTOREDB_URL: 'esdb://node' })).toEqual([]);
  });

  it('shows a wrong value, cut short', () => {
    const problem = problemOf('STEPWELL_LOG_LEVEL', `loud${'!'.repeat(1_000)}`);
    expect(problem).toMatch(/^is "loud!+…", but must be one of debug, info/);
    expect(problem!.length).toBeLessThan(200);
  });

  it('ends a process with exit code 1 and the problems on standard error', () => {
    const config = resolve(import.meta.dirname, 'config.js');
    const script = `import { loadConfigOrExit } from ${JSON.stringify(config)}; loadConfigOrExit(process.env); console.log('went on');`;
    const env = { ...process.env, STEPWELL_PORT: 'x' };
    const ended = spawnSync(process.execPath, ['--input-type=module', '-e', script], { env, encoding: 'utf8' });
    expect(ended).toMatchObject({ status: 1, stdout: '' });
    expect(ended.stderr).toContain('STEPWELL_PORT is "x", but must be a whole number');
  });
});

describe('docs/configuration.md', () => {
  const page = readFileSync(resolve(import.meta.dirname, '../../../../docs/configuration.md'), 'utf8');

  it('lists exactly the settings that there are', () => {
    const listed = [...page.matchAll(/^\| `(STEPWELL_\w+)`/gm)].map(([, name]) => name!);
    expect(listed.sort()).toEqual(Object.keys(SETTINGS).sort());
  });

  it('says of each what the schema says (if not: npm run config:write)', () => {
    expect(page).toBe(configPage());
  });
});
