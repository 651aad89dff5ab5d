import { readdirSync, readFileSync } from 'node:fs';
import { basename, join, relative, resolve } from 'node:path';
import { describe, expect, it } from '@jest/globals';

// The rules of style that a machine can check and the linter does not. Each has an example that it must find.

const REPOSITORY = resolve(import.meta.dirname, '../..');
const BANNED = ['job', 'task', 'instance', 'offset', 'manager', 'helper', 'util', 'utils'];
const BANNED_FILES = [...BANNED, 'data', 'common', 'shared', 'core', 'generic'];
const DECLARED = /\b(?:const|let|function|class|type|interface)\s+([A-Za-z_$][\w$]*)/g;

type Rule = {
  readonly name: string;
  /** Which files are judged. */
  readonly applies: (path: string) => boolean;
  /** Whether a line breaks the rule; a rule about `paths` sees one empty line a file. */
  readonly breaks: (line: string, path: string) => boolean;
  readonly about?: 'paths';
  readonly example: readonly [path: string, line: string];
};

const isCode = (path: string): boolean => /\.(ts|mjs|cjs)$/.test(path);
const isTest = (path: string): boolean => path.startsWith('test/') || /\/testing\/|\.spec\.ts$/.test(path);
const isProduct = (path: string): boolean => /^(apps|libs)\//.test(path) && isCode(path) && !isTest(path);
const words = (name: string): readonly string[] =>
  name
    .replace(/([a-z\d])([A-Z])/g, '$1-$2')
    .toLowerCase()
    .split(/[^a-z\d]+/);

const CLOCKS = ['libs/runtime/src/clock.ts', 'libs/domain/src/instant.ts'];
/** Starts a process, and may hand its environment on. */
const isEntry = (path: string): boolean => /(^|\/)(main|[a-z-]+-main|views-rebuild|openapi-write)\.ts$/.test(path);

const RULES: readonly Rule[] = [
  {
    name: 'nothing is left to do later',
    applies: () => true,
    breaks: (line) => /\b(TODO|FIXME|XXX)\b/.test(line),
    example: ['libs/a/src/a.ts', '// TODO: later'],
  },
  {
    name: 'time and chance come in by the clock and the entropy',
    applies: (path) => isProduct(path) && !CLOCKS.includes(path) && !path.startsWith('apps/sample-app/'),
    breaks: (line) => /\bDate\.now\(|\bnew Date\(|\bMath\.random\(|\brandomUUID\(/.test(line),
    example: ['libs/a/src/a.ts', 'const nowMs = Date.now();'],
  },
  {
    name: 'the environment is read by the config alone, which a main hands it to',
    applies: (path) => isProduct(path) && !isEntry(path) && !path.startsWith('apps/sample-app/'),
    breaks: (line) => /\bprocess\.env\b/.test(line),
    example: ['libs/a/src/a.ts', 'const port = process.env.PORT;'],
  },
  {
    name: 'every test runs, and none alone',
    applies: (path) => path.endsWith('.spec.ts'),
    breaks: (line) => /\b(describe|it|test)\.(only|skip|todo)\b|^\s*(fit|fdescribe|xit|xdescribe)\(/.test(line),
    example: ['libs/a/src/a.spec.ts', "it.only('runs', () => {});"],
  },
  {
    name: 'what opens closes: nothing is unreferenced or forced to end',
    applies: (path) => isCode(path) || path === 'package.json',
    breaks: (line) => /\.unref\(\)|--forceExit\b/.test(line),
    example: ['libs/a/src/a.ts', 'timer.unref();'],
  },
  {
    name: 'types of nodes, statuses, outcomes and the pattern of names stand in the domain alone',
    // The settings cannot import it; test/settings.spec.ts holds their pattern to the domain's.
    applies: (path) => isProduct(path) && !/^libs\/domain\/|^libs\/runtime\/src\/settings\.ts$/.test(path),
    breaks: (line) =>
      /'sequence', *'parallel'|'completed', *'failed'|'waiting-retry', *'|'refused', *'not-executed'|_-\]\{0,63\}/.test(
        line,
      ),
    example: ['apps/a/src/a.ts', "const TYPES = ['step', 'sequence', 'parallel'];"],
  },
  {
    name: 'no name of ours is one of the banned words',
    applies: isCode,
    breaks: (line) =>
      [...line.matchAll(DECLARED)].some(([, name]) => words(name!).some((word) => BANNED.includes(word))),
    example: ['libs/a/src/a.ts', 'export class LeaseManager {'],
  },
  {
    name: 'a file is a kebab-case noun, and not one of the words that say nothing',
    applies: isCode,
    about: 'paths',
    breaks: (_, path) => {
      const name = basename(path).replace(/^\./, '');
      const inKebab =
        /^[a-z\d]+(-[a-z\d]+)*(\.(module|controller|filter|interceptor|pipe|spec|int|sim|e2e|bench|config))*\.(ts|mjs|cjs)$/;
      const folders = path.split('/').flatMap((part) => part.replace(/\..*$/, '').split('-'));
      return !inKebab.test(name) || folders.some((word) => BANNED_FILES.includes(word));
    },
    example: ['libs/a/src/stringUtils.ts', ''],
  },
];

const filesBelow = (folder: string): readonly string[] =>
  readdirSync(join(REPOSITORY, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(REPOSITORY, join(entry.parentPath, entry.name)).replaceAll('\\', '/'));

const findings = (rule: Rule, path: string, text: string): readonly string[] => {
  if (!rule.applies(path)) return [];
  const lines = rule.about === 'paths' ? [''] : text.split('\n');
  return lines.flatMap((line, index) => (rule.breaks(line, path) ? [`${path}:${index + 1}: ${line.trim()}`] : []));
};

const FILES = ['apps', 'libs', 'test', 'scripts', 'docs'].flatMap(filesBelow);
const TEXTS = FILES.map((path) => ({ path, text: readFileSync(join(REPOSITORY, path), 'utf8') }));

describe.each(RULES)('tidy: $name', (rule) => {
  it('finds its example', () => {
    expect(findings(rule, rule.example[0], rule.example[1])).toHaveLength(1);
  });

  it('finds nothing in the repository', () => {
    const own = 'test/tidy.spec.ts';
    const found = TEXTS.flatMap(({ path, text }) => (path === own ? [] : findings(rule, path, text).slice(0, 3)));
    expect(found).toEqual([]);
  });
});

describe('tidy', () => {
  it('has read the repository', () => {
    expect(TEXTS.length).toBeGreaterThan(50);
  });
});
