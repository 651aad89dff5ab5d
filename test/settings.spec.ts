import { readFileSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { DEFAULT_RUN_LIMITS } from '#domain';
import { loadConfig } from '#runtime';

const REPOSITORY = resolve(import.meta.dirname, '../..');

const leaves = (value: object): readonly string[] =>
  Object.entries(value).flatMap(([name, member]: [string, unknown]) =>
    typeof member === 'object' && member !== null ? leaves(member) : [name],
  );

const sourcesBelow = (folder: string): readonly string[] =>
  readdirSync(join(REPOSITORY, folder), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts') && !path.endsWith('.spec.ts'))
    .map((path) => `${folder}/${path}`);

describe('the settings', () => {
  it('have the defaults that the domain has', () => {
    expect(loadConfig({}).limits).toMatchObject(DEFAULT_RUN_LIMITS);
  });

  it('are all read by somebody: one that does nothing is worse than none', () => {
    const paths = ['apps', 'libs']
      .flatMap(sourcesBelow)
      .filter((path) => !/^libs\/runtime\/src\/(config|settings)/.test(path));
    const code = paths.map((path) => readFileSync(join(REPOSITORY, path), 'utf8')).join('\n');
    const unread = leaves(loadConfig({})).filter((name) => !new RegExp(`\\b${name}\\b`).test(code));
    expect(unread).toEqual([]);
  });
});
