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
});
