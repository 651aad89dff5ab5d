// Tests run on what `tsc` emits, the same files that ship: no second compiler, and worker threads find their files.
export default {
  testEnvironment: '<rootDir>/test/support/spec-environment.js',
  rootDir: 'dist',
  testMatch: ['<rootDir>/{apps,libs,test}/**/*.spec.js'],
  filter: '<rootDir>/test/support/spec-filter.js',
  transform: {},
  globalSetup: '<rootDir>/test/support/jest-set-up.js',
  globalTeardown: '<rootDir>/test/support/jest-tear-down.js',
  maxWorkers: '100%',
  workerIdleMemoryLimit: '512MB',
  testTimeout: 20_000,
};
