import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from '@jest/globals';

const REPOSITORY = resolve(import.meta.dirname, '../..');
const { scripts } = JSON.parse(readFileSync(join(REPOSITORY, 'package.json'), 'utf8')) as {
  scripts: Record<string, string>;
};
const built = Object.entries(scripts).filter(([, script]) => script.includes('dist/'));

describe('the npm scripts', () => {
  it.each(built)('%s: runs a file that is built of a source that is there', (_, script) => {
    const [, source] = /dist\/(\S+)\.js/.exec(script)!;
    expect(existsSync(join(REPOSITORY, `${source}.ts`))).toBe(true);
  });

  it.each(built)('%s: builds when the output is stale, and hands its signals and exit code to us', (_, script) => {
    expect(script).toMatch(/^node scripts\/ensure-built\.mjs && exec node /);
  });

  const WITH_OPTIONS = ['test:crash', 'test:cluster', 'bench', 'bench:cluster', 'archive:read', 'views:rebuild'];
  const run = (name: string, ...args: readonly string[]) => {
    const [, file] = /(dist\/\S+\.js)/.exec(scripts[name]!)!;
    const { status, stdout, stderr } = spawnSync(process.execPath, [file!, ...args], {
      cwd: REPOSITORY,
      encoding: 'utf8',
    });
    return { status, stdout, stderr };
  };

  it.each(WITH_OPTIONS)('%s --help: says how it is used, and does nothing else', (name) => {
    const { status, stdout, stderr } = run(name, '--help');
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toMatch(new RegExp(`^usage: npm run ${name}\\b.*\n  `));
  });

  it.each(WITH_OPTIONS)('%s: refuses an option that it does not have, with what it has', (name) => {
    const { status, stdout, stderr } = run(name, '--no-such-option');
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toMatch(new RegExp(`no-such-option[^]*\nusage: npm run ${name}\\b`));
    expect(stderr).not.toMatch(/^ +at /m);
  });
});
