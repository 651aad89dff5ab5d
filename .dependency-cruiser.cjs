// The import rules of the repository, checked by `npm run check:imports`. Each rule is seen to fail on a planted violation in
// test/import-rules.spec.ts; a rule without one fails that test.

const SPECS = '[.](spec|bench)[.]ts$';
const TESTS = ['^test/', '/testing/', SPECS];

/** What each library may lean on; itself is understood. */
const LIBRARIES = {
  domain: [],
  runtime: ['domain'],
  'event-store': ['domain', 'runtime'],
  engine: ['domain', 'event-store', 'runtime'],
  dispatch: ['domain', 'event-store', 'engine', 'runtime'],
  views: ['domain', 'event-store', 'runtime'],
  relay: ['domain', 'event-store', 'runtime'],
  retention: ['domain', 'event-store', 'runtime'],
  sandbox: ['domain', 'runtime'],
};

/** Each driver may be imported only in the folder or file of its adapter. */
const DRIVERS = {
  '@eventstore/db-client': ['^libs/event-store/src/eventstoredb/', '^test/'],
  '@opentelemetry/api': ['^libs/runtime/src/tracing/opentelemetry/'],
  '@opentelemetry/exporter-trace-otlp-http': ['^libs/runtime/src/tracing/opentelemetry/'],
  '@opentelemetry/resources': ['^libs/runtime/src/tracing/opentelemetry/'],
  '@opentelemetry/sdk-trace': ['^libs/runtime/src/tracing/opentelemetry/'],
  'better-sqlite3': ['^libs/.+/sqlite/', '^libs/[^/]+/src/.*sqlite-[^/]+[.]ts$', '^test/'],
  // Natively it can end its process: no process but a child of the sandbox loads it.
  'isolated-vm': ['^libs/sandbox/src/isolated-vm/'],
  kafkajs: ['^libs/relay/src/kafka/', '^test/'],
  kysely: ['^libs/views/src/'],
  pg: ['^libs/.+/postgres/', '^libs/[^/]+/src/.*postgres-[^/]+[.]ts$', '^test/'],
  'pg-copy-streams': ['^libs/.+/postgres/'],
  pino: ['^libs/runtime/src/log[.]ts$'],
  'prom-client': ['^libs/runtime/src/metrics/prom-client/'],
  undici: ['^libs/dispatch/src/.*undici-[^/]+[.]ts$', '^libs/dispatch/src/undici/', '^apps/sample-app/', '^test/'],
};

const escaped = (name) => name.replace(/[.\-/]/g, '[$&]');
const packagePath = (name) => `node_modules/${escaped(name)}/`;

const layering = Object.entries(LIBRARIES).map(([library, may]) => ({
  name: `${library}-leans-on`,
  comment: `libs/${library} may lean on ${may.join(', ') || 'nothing of ours'}; its tests may use the testing/ folders of others`,
  severity: 'error',
  from: { path: `^libs/${library}/`, pathNot: TESTS },
  to: { path: '^(libs|apps|test)/', pathNot: `^libs/(${[library, ...may].join('|')})/` },
}));

const drivers = Object.entries(DRIVERS).map(([driver, places]) => ({
  name: `${driver}-only-in-its-adapter`,
  comment: 'a driver appears only where its adapter is, so that it can be exchanged there',
  severity: 'error',
  from: { path: '^(libs|apps|test)/', pathNot: [...places, SPECS, '/testing/'] },
  to: { path: packagePath(driver) },
}));

module.exports = {
  forbidden: [
    ...layering,
    ...drivers,
    {
      name: 'domain-is-pure',
      comment:
        'the domain imports nothing of node, and no package but the parser of expressions: only so is it a function of what comes in',
      severity: 'error',
      from: { path: '^libs/domain/', pathNot: TESTS },
      to: { pathNot: ['^(libs|apps|test)/', '/jsonata/'] },
    },
    {
      name: 'library-by-its-index',
      comment: 'another library is entered by its index.ts or a *.module.ts; its testing/ folder has a rule of its own',
      severity: 'error',
      from: { path: '^(libs|apps|test)/([^/]+)' },
      to: { path: '^libs/', pathNot: ['^libs/$2/', '^libs/[^/]+/src/index[.]ts$', '[.]module[.]ts$', '/testing/'] },
    },
    {
      name: 'testing-only-by-tests',
      comment: 'what is in testing/ is not part of the product',
      severity: 'error',
      from: { path: '^(libs|apps)/', pathNot: TESTS },
      to: { path: ['/testing/', '^test/', SPECS] },
    },
    {
      name: 'no-app-imports-another',
      comment: 'apps share libraries and apps/modules, not code of their own',
      severity: 'error',
      from: { path: '^apps/([^/]+)/', pathNot: '^apps/standalone/' },
      to: { path: '^apps/', pathNot: '^apps/($1|modules)/' },
    },
    {
      name: 'standalone-composes-modules',
      comment: 'standalone takes the modules of the other apps, and nothing else of them but what all apps share',
      severity: 'error',
      from: { path: '^apps/standalone/', pathNot: TESTS },
      to: { path: '^apps/', pathNot: ['^apps/(standalone|modules)/', '[.]module[.]ts$'] },
    },
    {
      name: 'no-library-imports-an-app',
      comment: 'libraries know nothing of what is composed of them',
      severity: 'error',
      from: { path: '^libs/' },
      to: { path: '^apps/' },
    },
    {
      name: 'sample-app-stands-alone',
      comment: 'the sample application is what a user would write: it knows Stepwell by HTTP only',
      severity: 'error',
      from: { path: '^apps/sample-app/' },
      to: { path: '^(libs|test|apps/modules)/' },
    },
    {
      name: 'nest-only-in-apps',
      comment: 'the framework stays at the edge: apps and *.module.ts',
      severity: 'error',
      from: { path: '^(libs|test)/', pathNot: '[.]module[.]ts$' },
      to: { path: 'node_modules/@nestjs/' },
    },
    {
      name: 'no-cycles',
      comment: 'a cycle of modules; one that only types close is none, since it is gone after the compiler',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'no-development-package-in-the-product',
      comment: 'packages for development are not there in production',
      severity: 'error',
      from: { path: '^(libs|apps)/', pathNot: TESTS },
      to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['npm', 'type-only'] },
    },
    {
      name: 'resolvable',
      comment: 'an import that resolves to nothing, or to a package that package.json does not name',
      severity: 'error',
      from: {},
      to: { dependencyTypes: ['unknown', 'undetermined', 'npm-no-pkg', 'npm-unknown'] },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^dist' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      conditionNames: ['app-source', 'import', 'node', 'default'],
      exportsFields: ['exports'],
      extensions: ['.ts', '.js', '.json'],
    },
  },
};
