import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { expect, it } from '@jest/globals';

it('is not loaded by those who only import the library', () => {
  const library = JSON.stringify(resolve(import.meta.dirname, '../index.js'));
  const driver = JSON.stringify(resolve(import.meta.dirname, 'driver.js'));
  const count = `Object.keys(require('node:module')._cache).filter((path) => /node_modules.(@eventstore|@grpc)/.test(path)).length`;
  const script = `await import(${library}); const before = ${count}; await import(${driver}); console.log(before, ${count} > 20);`;
  const { stdout, stderr } = spawnSync(
    process.execPath,
    [
      '--input-type=module',
      '-e',
      `import { createRequire } from 'node:module'; const require = createRequire(${library}); ${script}`,
    ],
    { encoding: 'utf8' },
  );
  expect(stderr).toBe('');
  expect(stdout.trim()).toBe('0 true');
});
