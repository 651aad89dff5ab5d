import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

const REPOSITORY = resolve(import.meta.dirname, '../..');
const CONFIG = join(REPOSITORY, '.dependency-cruiser.cjs');

/** For each rule the violations that are planted: the file, and what it imports. */
const PLANTED: Readonly<Record<string, readonly (readonly [file: string, specifier: string])[]>> = {
  'domain-leans-on': [['libs/domain/src/a.ts', '#runtime']],
  'runtime-leans-on': [['libs/runtime/src/a.ts', '#event-store']],
  'event-store-leans-on': [['libs/event-store/src/a.ts', '#engine']],
  'engine-leans-on': [['libs/engine/src/a.ts', '#dispatch']],
  'dispatch-leans-on': [['libs/dispatch/src/a.ts', '#views']],
  'views-leans-on': [['libs/views/src/a.ts', '#engine']],
  '@eventstore/db-client-only-in-its-adapter': [
    ['libs/event-store/src/sqlite/d.ts', '@eventstore/db-client'],
    ['apps/projector/src/d.ts', '@eventstore/db-client'],
  ],
  '@opentelemetry/api-only-in-its-adapter': [['apps/dispatcher/src/t.ts', '@opentelemetry/api']],
  '@opentelemetry/exporter-trace-otlp-http-only-in-its-adapter': [
    ['libs/runtime/src/t.ts', '@opentelemetry/exporter-trace-otlp-http'],
  ],
  '@opentelemetry/resources-only-in-its-adapter': [['libs/dispatch/src/t.ts', '@opentelemetry/resources']],
  '@opentelemetry/sdk-trace-only-in-its-adapter': [['libs/runtime/src/tracing/t.ts', '@opentelemetry/sdk-trace']],
  'relay-leans-on': [['libs/relay/src/a.ts', '#engine']],
  'retention-leans-on': [['libs/retention/src/a.ts', '#views']],
  'sandbox-leans-on': [['libs/sandbox/src/a.ts', '#engine']],
  'better-sqlite3-only-in-its-adapter': [
    ['libs/event-store/src/memory/b.ts', 'better-sqlite3'],
    ['apps/projector/src/b.ts', 'better-sqlite3'],
  ],
  'isolated-vm-only-in-its-adapter': [
    ['libs/sandbox/src/b.ts', 'isolated-vm'],
    ['apps/dispatcher/src/i.ts', 'isolated-vm'],
  ],
  'kafkajs-only-in-its-adapter': [
    ['libs/relay/src/relay.ts', 'kafkajs'],
    ['apps/projector/src/k.ts', 'kafkajs'],
  ],
  'kysely-only-in-its-adapter': [['apps/workflow-api/src/b.ts', 'kysely']],
  'pg-only-in-its-adapter': [['libs/views/src/sqlite/b.ts', 'pg']],
  'pg-copy-streams-only-in-its-adapter': [['libs/views/src/b.ts', 'pg-copy-streams']],
  'pino-only-in-its-adapter': [['libs/engine/src/b.ts', 'pino']],
  'prom-client-only-in-its-adapter': [
    ['libs/runtime/src/metrics/m.ts', 'prom-client'],
    ['apps/workflow-api/src/m.ts', 'prom-client'],
  ],
  'undici-only-in-its-adapter': [['libs/dispatch/src/dispatcher.ts', 'undici']],
  'domain-is-pure': [
    ['libs/domain/src/b.ts', 'kysely'],
    ['libs/domain/src/c.ts', 'node:fs'],
  ],
  'library-by-its-index': [
    ['libs/engine/src/c.ts', '../../domain/src/inner.js'],
    ['apps/dispatcher/src/c.ts', '../../../libs/domain/src/inner.js'],
    ['libs/engine/src/c.spec.ts', '../../domain/src/inner.js'],
    ['test/c.spec.ts', '../libs/domain/src/inner.js'],
  ],
  'testing-only-by-tests': [
    ['libs/engine/src/d.ts', '../../event-store/src/testing/contract.js'],
    ['apps/dispatcher/src/d.ts', '../../../test/support.js'],
  ],
  'no-app-imports-another': [
    ['apps/projector/src/e.ts', '../../dispatcher/src/dispatcher.module.js'],
    ['apps/modules/src/e.ts', '../../dispatcher/src/dispatcher.module.js'],
  ],
  'standalone-composes-modules': [['apps/standalone/src/e.ts', '../../dispatcher/src/inner.js']],
  'no-library-imports-an-app': [['libs/views/src/e.ts', '../../../apps/dispatcher/src/inner.js']],
  'sample-app-stands-alone': [
    ['apps/sample-app/src/f.ts', '#runtime'],
    ['apps/sample-app/src/g.ts', '../../modules/src/tokens.js'],
  ],
  'nest-only-in-apps': [['libs/engine/src/g.ts', '@nestjs/common']],
  // A cycle is reported once, at the first of its files.
  'no-cycles': [['libs/domain/src/egg.ts', './hen.js']],
  'no-development-package-in-the-product': [['libs/engine/src/h.ts', 'jest']],
  resolvable: [
    ['libs/engine/src/i.ts', '#nowhere'],
    ['libs/engine/src/j.ts', './nowhere.js'],
    ['libs/engine/src/k.ts', 'not-in-package-json'],
  ],
};

/** Violations that break two rules at once, by their nature. */
const ALSO: readonly string[] = [
  'views-leans-on libs/views/src/e.ts',
  'kysely-only-in-its-adapter libs/domain/src/b.ts',
];

/** What the rules allow, close to what they refuse. */
const ALLOWED: readonly (readonly [file: string, specifier: string])[] = [
  ['libs/domain/src/hen.ts', './egg.js'],
  ['libs/engine/src/ok.ts', '#event-store'],
  ['libs/engine/src/ok.spec.ts', '../../event-store/src/testing/contract.js'],
  ['libs/runtime/src/ok.ts', 'node:fs'],
  ['libs/runtime/src/ok.ts', '#domain'],
  ['libs/event-store/src/eventstoredb/ok.ts', '@eventstore/db-client'],
  ['libs/event-store/src/sqlite/ok.ts', 'better-sqlite3'],
  ['libs/domain/src/ok.ts', 'jsonata'],
  ['libs/relay/src/kafka/ok.ts', 'kafkajs'],
  ['libs/sandbox/src/isolated-vm/ok.ts', 'isolated-vm'],
  ['libs/views/src/ok.ts', 'kysely'],
  ['libs/views/src/postgres/ok.ts', 'pg'],
  ['libs/dispatch/src/undici-exchange.ts', 'undici'],
  ['libs/runtime/src/log.ts', 'pino'],
  ['libs/views/src/views.module.ts', '@nestjs/common'],
  ['apps/standalone/src/ok.ts', '../../dispatcher/src/dispatcher.module.js'],
  ['apps/dispatcher/src/ok.ts', '#domain'],
  ['apps/dispatcher/src/shared.ts', '../../modules/src/tokens.js'],
  ['apps/standalone/src/shared.ts', '../../modules/src/tokens.js'],
  ['apps/dispatcher/src/ok.spec.ts', '../../../test/support.js'],
  ['test/ok.spec.ts', 'jest'],
];

const EMPTY = [
  ...['domain', 'runtime', 'event-store', 'engine', 'dispatch', 'views', 'relay', 'retention', 'sandbox'].map(
    (library) => `libs/${library}/src/index.ts`,
  ),
  'libs/domain/src/inner.ts',
  'libs/event-store/src/testing/contract.ts',
  'apps/dispatcher/src/dispatcher.module.ts',
  'apps/dispatcher/src/inner.ts',
  'apps/modules/src/tokens.ts',
  'test/support.ts',
];
const DEPENDENCIES = [
  '@eventstore/db-client',
  '@opentelemetry/api',
  '@opentelemetry/exporter-trace-otlp-http',
  '@opentelemetry/resources',
  '@opentelemetry/sdk-trace',
  'better-sqlite3',
  'jsonata',
  'isolated-vm',
  'kafkajs',
  'kysely',
  'pg',
  'pg-copy-streams',
  'prom-client',
  'pino',
  'undici',
  '@nestjs/common',
];

let root: string;
const write = (path: string, text: string): void => {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
};

const plant = (): void => {
  cpSync(CONFIG, join(root, '.dependency-cruiser.cjs'));
  cpSync(join(REPOSITORY, 'tsconfig.json'), join(root, 'tsconfig.json'));
  const { imports } = JSON.parse(readFileSync(join(REPOSITORY, 'package.json'), 'utf8')) as { imports: object };
  const dependencies = Object.fromEntries(DEPENDENCIES.map((name) => [name, '1']));
  write('package.json', JSON.stringify({ type: 'module', imports, dependencies, devDependencies: { jest: '1' } }));
  for (const name of [...DEPENDENCIES, 'jest', 'not-in-package-json']) {
    write(`node_modules/${name}/package.json`, JSON.stringify({ name, version: '1.0.0', main: 'index.js' }));
    write(`node_modules/${name}/index.js`, '');
  }
  for (const path of EMPTY) write(path, 'export {};');
  const planted = [...Object.values(PLANTED).flat(), ...ALLOWED];
  for (const [file, specifier] of planted) write(file, `import * as it from '${specifier}';\nexport const x = it;`);
};

const cruise = (): readonly string[] => {
  const bin = join(REPOSITORY, 'node_modules/dependency-cruiser/bin/dependency-cruise.mjs');
  const flags = ['--config', '.dependency-cruiser.cjs', '--output-type', 'json', 'apps', 'libs', 'test'];
  const { stdout } = spawnSync(process.execPath, [bin, ...flags], { cwd: root, encoding: 'utf8', maxBuffer: 2 ** 26 });
  const { summary } = JSON.parse(stdout) as { summary: { violations: { rule: { name: string }; from: string }[] } };
  return summary.violations.map(({ rule, from }) => `${rule.name} ${from}`);
};

let found: readonly string[];
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'stepwell-imports-'));
  plant();
  found = cruise();
});
afterAll(() => rmSync(root, { recursive: true }));

describe('the import rules', () => {
  it('each have a violation planted here', () => {
    const { forbidden } = createRequire(import.meta.url)(CONFIG) as { forbidden: { name: string }[] };
    expect(Object.keys(PLANTED).sort()).toEqual(forbidden.map((rule) => rule.name).sort());
  });

  it('have a layer for every library', () => {
    const layers = readdirSync(join(REPOSITORY, 'libs')).map((library) => `${library}-leans-on`);
    expect(Object.keys(PLANTED)).toEqual(expect.arrayContaining(layers));
  });

  it.each(Object.entries(PLANTED))('%s: finds what is planted', (rule, planted) => {
    const files = planted.map(([file]) => `${rule} ${file}`);
    expect(found.filter((each) => files.includes(each)).sort()).toEqual([...files].sort());
  });

  it('find nothing else', () => {
    const planted = Object.entries(PLANTED).flatMap(([rule, list]) => list.map(([file]) => `${rule} ${file}`));
    expect(found.filter((each) => !planted.includes(each) && !ALSO.includes(each))).toEqual([]);
  });
});
