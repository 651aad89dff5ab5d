import { readFileSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { DEFAULT_RUN_LIMITS, isName, NAME_PATTERN } from '#domain';
import { APPEND_BYTES_MAX } from '#event-store';
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

  it('let no payload be so large that two of them, with all that stands around them, are more than an append', () => {
    const largest = APPEND_BYTES_MAX / 2 - 8 * 1024;
    expect(loadConfig({ STEPWELL_PAYLOAD_MAX_BYTES: String(largest) }).limits.payloadMaxBytes).toBe(largest);
    expect(() => loadConfig({ STEPWELL_PAYLOAD_MAX_BYTES: String(largest + 1) })).toThrow(`from 1024 to ${largest}`);
  });

  it('name a workflow as the domain does, whose pattern they cannot import', () => {
    const takes = (name: string): boolean => {
      try {
        return loadConfig({ STEPWELL_KAFKA_TRIGGER_WORKFLOW: name }).kafka.trigger.workflow === name;
      } catch {
        return false;
      }
    };
    const names = fc.oneof(
      fc.stringMatching(new RegExp(NAME_PATTERN)),
      fc.string({ minLength: 1, unit: 'binary-ascii' }),
    );
    fc.assert(
      fc.property(fc.oneof(names, fc.constantFrom('n'.repeat(64), 'n'.repeat(65), 'é', '-a')), (name) => {
        expect({ name, taken: takes(name) }).toEqual({ name, taken: isName(name) });
      }),
    );
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
