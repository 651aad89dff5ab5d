import { describe, expect, it } from '@jest/globals';
import { Ajv2020 } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { treeDocuments } from '../testing/plan-arbitrary.js';
import { compileTree } from './compile-tree.js';
import { definitionSchema } from './definition-schema.js';
import { DEFAULT_COMPILE_LIMITS } from './limits.js';

const schema = definitionSchema(DEFAULT_COMPILE_LIMITS);
const fits = new Ajv2020({ strict: false }).compile(schema);
const target = 'http://app:4000';
const step = (fields: object) => ({ target, root: { type: 'step', url: '/', ...fields } });
const nested = (levels: number, inside: object, name?: string): object =>
  levels === 0
    ? inside
    : { type: 'sequence', ...(name === undefined ? {} : { name }), steps: [nested(levels - 1, inside, name)] };
const pass = { type: 'pass' };
const list = (length: number, node: object) => Array.from({ length }, () => node);
const deep = (levels: number): unknown => (levels === 0 ? 1 : [deep(levels - 1)]);

/** What the compiler refuses and a schema cannot say: by what it says then, and by a document that shows it. */
const BEYOND_A_SCHEMA: Readonly<Record<string, readonly [says: RegExp, example: object]>> = {
  'an expression that cannot be parsed': [/cannot be parsed/, { root: { ...pass, input: '{% $a + %}' } }],
  'an expression that may not end': [
    /This expression is not available/,
    { root: { ...pass, input: '{% $sum($input) %}' } },
  ],
  'a wait that is none': [/A wait (needs|lasts|ends)/, { root: { type: 'wait' } }],
  'a url that cannot be parsed': [/is no url$/, step({ url: 'http://a:port/' })],
  'a relative url without a target': [/has no "target"/, { root: { type: 'step', url: '/a' } }],
  'a relative url that leaves its target': [/leaves the target/, step({ url: '../a' })],
  "a header that is not a definition's to set": [
    /may not be set by a definition|is set by the member/,
    step({ headers: { host: 'a' } }),
  ],
  'a header twice, in other letters': [/is set twice/, step({ headers: { a: '1', A: '2' } })],
  'a charset that bodies are not sent in': [
    /Bodies are sent as UTF-8/,
    step({ contentType: 'text/plain; charset=latin1' }),
  ],
  'a name twice among siblings': [
    /is taken by/,
    { root: { type: 'sequence', steps: list(2, { ...pass, name: 'a' }) } },
  ],
  'a constant by its bytes': [/takes more than .* bytes$/, { root: { ...pass, input: 'é'.repeat(140_000) } }],
  'a constant by its depth': [/It may be nested/, { root: { ...pass, input: deep(66) } }],
  'nodes by their number': [/A plan has at most/, { root: { type: 'sequence', steps: list(10_001, pass) } }],
  'nodes by their depth': [/nested more than/, { root: nested(32, pass) }],
  'a step key by its length': [
    /The key of this step/,
    { root: nested(16, { ...pass, name: 'n'.repeat(64) }, 'n'.repeat(64)) },
  ],
};

const verdict = (document: unknown) => {
  const errors = compileTree(document).findings.filter(({ severity }) => severity === 'error');
  const beyond = errors.filter(({ detail }) => Object.values(BEYOND_A_SCHEMA).some(([says]) => says.test(detail)));
  return { refused: errors.length > beyond.length, errors };
};

/** Values that are right in one place and wrong in another, or by one character. */
const VALUES: readonly unknown[] = [
  '',
  ' a',
  'a b',
  'a\u0085b',
  '\u00a0a',
  '{% $x %}',
  '{%}',
  'text\n{%\n%}',
  'tree',
  'states',
  'POST',
  'post',
  'all',
  'script',
  'answer',
  'callback',
  ...['step', 'sequence', 'parallel', 'pass', 'succeed', 'fail', 'map', 'retry', 'fail-fast', 'full'],
  ...[
    'http://a',
    'http://a?q',
    'HTTP://a/b',
    '//a',
    '/a',
    '?q',
    'http:/a',
    'http:a',
    'http://u:p@a',
    'http://a/@',
    'ftp://a',
    'x:y',
    'a#b',
    'a\\b',
    'http://',
  ],
  ...[64, 65, 127, 128, 255, 256, 4_096, 4_097, 8_192, 8_193, 10_000, 10_001].map((length) => 'x'.repeat(length)),
  ...[255, 256, 10_000, 10_001].map((length) => '😀'.repeat(length)),
  ...[
    'HTTP.*',
    '*',
    'a*b',
    'a *',
    ' *',
    '*a',
    'text/plain; charset=utf-8',
    'text/plain;charset="utf-8";a="b c"',
    'a/b; c="😀"',
    'json',
  ],
  ...[0, 1, -1, 1.5, 999.5, 1_000, 1_001, 366 * 86_400_000, 366 * 86_400_000 + 1, 1e300],
  null,
  true,
  false,
  [],
  {},
  [1],
  [1.5],
  [null],
  [''],
  ['HTTP.*'],
  ['a*b'],
  { a: 'b' },
  { a: ' b' },
  { 'a b': 'c' },
  { 'a=b': 'c' },
  { a: 1 },
  { a: '😀' },
  { js: 'x' },
  { js: 1 },
  { js: 'x', a: 1 },
  { a: { js: 'x' } },
  [{ a: ['{% $x %}'] }],
  { '{% $x %}': 1 },
  Object.fromEntries(Array.from({ length: 51 }, (_, n) => [`t${n}`, ''])),
  Object.fromEntries(Array.from({ length: 65 }, (_, n) => [`h${n}`, ''])),
  Array(1_000).fill(1),
  Array(1_001).fill(1),
  Array(101).fill('A'),
  [pass],
  [[]],
  [pass, null],
  pass,
  { type: 'fail', error: 'a' },
  list(1_001, pass),
  { maxAttempts: 1_000 },
  { maxAttempts: 0 },
  { schedule: null, retryOn: null, totalTimeoutMs: null },
  { stepMs: null },
  { answerMs: null },
  { timeoutMs: 1 },
];
const MEMBERS = [
  ...[
    'format',
    'description',
    'tags',
    'target',
    'retry',
    'timeouts',
    'root',
    'output',
    'input',
    'variables',
    'type',
    'name',
    'comment',
    'as',
    'catch',
  ],
  ...[
    'url',
    'method',
    'headers',
    'contentType',
    'completion',
    'dynamic',
    'steps',
    'branches',
    'reduce',
    'onError',
    'error',
    'cause',
    'unknown',
  ],
  ...[
    'maxAttempts',
    'initialIntervalMs',
    'backoffRate',
    'maxIntervalMs',
    'jitter',
    'schedule',
    'retryOn',
    'doNotRetryOn',
    'honourRetryAfter',
    'retryAfterMaxMs',
  ],
  ...['totalTimeoutMs', 'onUnknown', 'connectMs', 'answerMs', 'stepMs', 'timeoutMs', 'callbackMs'],
];

const objectsOf = (value: unknown): Record<string, unknown>[] =>
  typeof value !== 'object' || value === null
    ? []
    : [...(Array.isArray(value) ? [] : [value as Record<string, unknown>]), ...Object.values(value).flatMap(objectsOf)];

const change = fc.record({
  at: fc.nat(),
  member: fc.oneof(fc.constantFrom(...MEMBERS), fc.nat()),
  value: fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom(...VALUES) },
    { weight: 1, arbitrary: fc.constant(undefined) },
  ),
});

/** A member of one object, its own or any, is set to some value or taken away. */
const changed = (document: object, { at, member, value }: { at: number; member: string | number; value: unknown }) => {
  const copy = structuredClone(document);
  const objects = objectsOf(copy);
  const object = objects[at % objects.length]!;
  const own = Object.keys(object);
  const key = typeof member === 'string' ? member : own[member % own.length];
  if (key === undefined) return copy;
  if (value === undefined) delete object[key];
  else object[key] = structuredClone(value);
  return copy;
};

describe('the schema of a definition', () => {
  it('takes what the compiler takes, and refuses what it refuses, but for what a schema cannot say', () => {
    const seen = { taken: 0, refused: 0 };
    fc.assert(
      fc.property(treeDocuments, fc.array(change, { maxLength: 2 }), (document, changes) => {
        const given = changes.reduce(changed, document);
        const { refused, errors } = verdict(given);
        seen[refused ? 'refused' : 'taken'] += 1;
        expect({ fits: fits(given), errors: refused ? null : errors, given }).toEqual({
          fits: !refused,
          errors: refused ? null : errors,
          given,
        });
      }),
      { numRuns: 3_000 },
    );
    expect(Math.min(seen.taken, seen.refused)).toBeGreaterThan(500);
  });

  it('agrees about every member of every object, whatever it holds', () => {
    const roots = [
      { type: 'step', url: '/', retry: {}, timeouts: {}, headers: {} },
      { type: 'sequence', steps: [pass] },
      { type: 'parallel', branches: [pass] },
      { type: 'fail', error: 'a', cause: 'b' },
      { type: 'succeed' },
    ];
    const whole = { target, tags: {}, timeouts: {}, root: pass };
    const places = [
      ...objectsOf(whole).map((_, at) => ({ document: whole, at })),
      // The definition around it comes first.
      ...roots.flatMap((root) => objectsOf(root).map((_, at) => ({ document: { target, root }, at: at + 1 }))),
    ];
    for (const { document, at } of places) {
      for (const member of MEMBERS) {
        for (const value of VALUES) {
          const given = changed(document, { at, member, value });
          const { refused, errors } = verdict(given);
          if (fits(given) === refused) expect({ given, refused, errors, why: fits.errors }).toBeNull();
        }
      }
    }
  });

  it.each(Object.entries(BEYOND_A_SCHEMA))('cannot say: %s', (_, [says, example]) => {
    const { errors } = verdict(example);
    expect(errors.length).toBeGreaterThan(0);
    for (const { detail } of errors) expect(detail).toMatch(says);
    expect(fits(example)).toBe(true);
  });

  it('describes every member, and has the default of each that has one', () => {
    const silent = objectsOf(schema)
      .filter((object) => typeof object['properties'] === 'object' && object['additionalProperties'] === false)
      .flatMap(({ properties }) => Object.entries(properties as Record<string, { description?: string }>))
      .filter(([, { description = '' }]) => description.length < 10);
    expect(silent).toEqual([]);
    expect(schema).toMatchObject({
      $defs: {
        StepNode: { properties: { method: { default: 'POST' }, contentType: { default: 'application/json' } } },
        ParallelNode: { properties: { reduce: { default: 'all' }, onError: { default: 'fail-fast' } } },
        Retry: { properties: { maxAttempts: { default: 10, maximum: 1_000 }, retryOn: { default: null } } },
        Timeouts: { properties: { timeoutMs: { default: null }, answerMs: { default: 30_000 } } },
      },
    });
  });
});
