import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { nodeVersionProblem } from './node-version.js';

describe('the version of Node.js', () => {
  it.each(['20.20.2', '22.12.0', '24.8.1', '9.99.0'])('is refused when it is %s', (version) => {
    expect(nodeVersionProblem(version)).toContain(`this is ${version}`);
  });

  it.each(['24.9.0', '24.21.0', '25.0.0', '26.1.0'])('is taken when it is %s', (version) => {
    expect(nodeVersionProblem(version)).toBeNull();
  });

  it('ends a process by exit code 1 and a clear message before the modules imported after it are evaluated', () => {
    const pretended =
      "Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.20.2' } });";
    const index = JSON.stringify(resolve(import.meta.dirname, 'index.js'));
    const main = `data:text/javascript,import ${index}; console.log('went on');`;
    const script = `${pretended} await import(${JSON.stringify(main.replace(/"\//, '"file:///'))});`;
    const ended = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
    expect(ended).toMatchObject({ status: 1, stdout: '' });
    expect(ended.stderr).toContain('Stepwell needs Node.js 24.9 or newer, and this is 20.20.2');
  });
});
