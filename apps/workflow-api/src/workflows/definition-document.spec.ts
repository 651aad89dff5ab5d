import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { stringify } from 'yaml';
import { compileTree, DEFAULT_COMPILE_LIMITS } from '#domain';
import { compileDefinition } from '#engine';
import { treeDocuments } from '../../../../libs/domain/src/testing/plan-arbitrary.js';
import { parseDefinition } from './definition-document.js';

const parsed = (input: string | Uint8Array, format: 'json' | 'yaml') => {
  const result = parseDefinition(input, format);
  if (result.status === 'refused') throw new Error(JSON.stringify(result.fault));
  return result;
};
const faultOf = (input: string | Uint8Array, format: 'json' | 'yaml' = 'yaml') => {
  const result = parseDefinition(input, format);
  return result.status === 'refused' ? result.fault : null;
};
const yaml = (text: string) => parsed(text, 'yaml').body.document;

const EXAMPLE = `# Onboards a user
target: http://app:4000
root:
  type: sequence
  steps:
    - { type: step, name: create, url: /create }
    - type: parallel
      branches:
        - type: step
          name: email
          urls: /email   # misspelt
        - &again
          type: step
          url: '/analytics#x'
        - *again
`;

describe('a definition in YAML', () => {
  it('is read by the core schema, its text kept', () => {
    const { body } = parsed(EXAMPLE, 'yaml');
    expect(body).toMatchObject({ format: 'yaml', text: EXAMPLE, document: { target: 'http://app:4000' } });
    expect(yaml('a: yes\nb: 2026-01-01\nc: 0x10\nd: 1e3\ne: ~\nf: "1"\ng: 010\n1: x\ntrue: y\n<<: z')).toEqual({
      a: 'yes',
      b: '2026-01-01',
      c: 16,
      d: 1000,
      e: null,
      f: '1',
      g: 10,
      1: 'x',
      true: 'y',
      '<<': 'z',
    });
    expect(yaml('---\na: |\n  [\n  {\nb: >-\n  x\n  y\n...\n')).toEqual({ a: '[\n{\n', b: 'x y' });
  });

  it('is read past a byte order mark', () => {
    for (const format of ['yaml', 'json'] as const) {
      const bytes = Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), Buffer.from('{ "a": 1 }')]);
      expect(parsed(bytes, format).body).toMatchObject({ document: { a: 1 }, text: '{ "a": 1 }' });
    }
  });

  it('keeps numbers as they are written, those of other notations digit by digit', () => {
    const text = `- 1.0
- 9007199254740993
- 1e400
- -0
- +7
- .5
- 5.
- 007
- 0xffffffffffffffff
- 0o17
- 1e3
- "2.0"
- &a 2.50
- *a
`;
    const { document, written } = parsed(text, 'yaml').body;
    const numbers = '1.0,9007199254740993,1e400,-0,7,0.5,5,7,18446744073709551615,15,1e3,"2.0",2.50,2.50';
    expect(JSON.stringify(written)).toBe(`[${numbers}]`);
    expect(document).toEqual([1, 9007199254740992, Infinity, -0, 7, 0.5, 5, 7, 2 ** 64, 15, 1000, '2.0', 2.5, 2.5]);
  });

  it('makes constants with the numbers that it has, and no difference between two ways to write one', () => {
    const root = (input: string) => `{"root":{"type":"pass","input":${input}},"output":{"2":1.0,"a/b~":[1e400]}}`;
    for (const format of ['json', 'yaml'] as const) {
      const { body } = parsed(root('[ 9007199254740993, 1.50 ]'), format);
      const compiled = compileDefinition(body, DEFAULT_COMPILE_LIMITS);
      if (compiled.status === 'invalid') throw new Error(JSON.stringify(compiled.findings));
      expect(compiled.plan).toMatchObject({
        nodes: [{ input: '[9007199254740993,1.50]' }],
        output: '{"2":1.0,"a/b~":[1e400]}',
      });
      const hashes = ['[9007199254740993.0,15e-1]', '[9007199254740992,1.50]'].map((input) => {
        const other = compileDefinition(parsed(root(input), format).body, DEFAULT_COMPILE_LIMITS);
        return other.status === 'compiled' && other.source.contentHash === compiled.source.contentHash;
      });
      expect(hashes).toEqual([true, false]);
    }
  });

  it('takes a number of a setting in any notation', () => {
    const { body } = parsed(
      'root: { type: step, url: "http://a/b", retry: { maxAttempts: 3.0, backoffRate: 2e0 } }',
      'yaml',
    );
    const { plan, findings } = compileTree(body.document, DEFAULT_COMPILE_LIMITS, body.written);
    expect(findings).toEqual([]);
    expect(plan!.policies[0]).toMatchObject({ retry: { maxAttempts: 3, backoffRate: 2 } });
  });

  it('shows each finding at its line and column', () => {
    const { body, placeOf } = parsed(EXAMPLE, 'yaml');
    const places = compileTree(body.document).findings.map(({ pointer }) => [pointer, placeOf(pointer)]);
    expect(places).toEqual([
      ['/root/steps/1/branches/0/urls', { line: 11, column: 11 }],
      ['/root/steps/1/branches/0', { line: 9, column: 11 }],
      ['/root/steps/1/branches/1/url', { line: 14, column: 11 }],
      ['/root/steps/1/branches/2/url', { line: 15, column: 11 }],
    ]);
    expect(placeOf('')).toEqual({ line: 2, column: 1 });
    expect(placeOf('/root/steps/0/name/x')).toEqual({ line: 6, column: 21 });
    expect(placeOf('/nowhere')).toEqual({ line: 2, column: 1 });
  });

  it('is the same document as in JSON, whatever it holds', () => {
    fc.assert(
      fc.property(treeDocuments, (document) => {
        expect(yaml(stringify(document))).toEqual(document);
        expect(yaml(JSON.stringify(document))).toEqual(document);
      }),
      { numRuns: 25 },
    );
  });

  it.each([
    ['', 'malformed-yaml', 1, 1],
    ['# nothing\n', 'malformed-yaml', 1, 1],
    ['a: [1', 'malformed-yaml', 1, 6],
    ['a: b: c', 'malformed-yaml', 1, 4],
    ['a: 1\n\tb: 2', 'malformed-yaml', 2, 1],
    ['a: 1\n---\nb: 2', 'malformed-yaml', 2, 1],
    ['%YAML 1.1\n---\na: yes', 'malformed-yaml', 1, 1],
    ['a: !!js/function x', 'malformed-yaml', 1, 4],
    ['a: !custom 1', 'malformed-yaml', 1, 4],
    ['a: !!binary aGk=', 'malformed-yaml', 1, 4],
    ['a: *nothing', 'malformed-yaml', 1, 4],
    ['&a [ *a ]', 'malformed-yaml', 1, 6],
    ['? [1]\n: 2', 'malformed-yaml', 1, 3],
    ['a: 1\nb: 2\na: 3', 'duplicate-key', 3, 1],
    ['a: 1\n"\\x61": 3', 'duplicate-key', 2, 1],
    ['1: a\n"1": b', 'duplicate-key', 2, 1],
    ['__proto__: {}', 'forbidden-key', 1, 1],
    ['a: { constructor: { prototype: 1 } }', 'forbidden-key', 1, 6],
    ['a: .inf', 'number-out-of-range', 1, 4],
    ['a: .nan', 'number-out-of-range', 1, 4],
    ['a: 1e1001', 'number-out-of-range', 1, 4],
    [`a: ${'7'.repeat(1_001)}`, 'number-out-of-range', 1, 4],
    [`a: 0x${'f'.repeat(831)}`, 'number-out-of-range', 1, 4],
    ['a: "\\0"', 'invalid-string', 1, 4],
    ['a: "\\ud800"', 'invalid-string', 1, 4],
    ['a: \u0000', 'invalid-string', 1, 4],
    ['a: \u001f', 'invalid-string', 1, 4],
  ])('%j is refused as %s at %i:%i', (text, code, line, column) => {
    expect(faultOf(text)).toMatchObject({ code, line, column });
  });

  it('what is nested too deeply is refused where that is seen', () => {
    expect(faultOf(`a: ${'['.repeat(200)}`)).toMatchObject({ code: 'too-deep', column: 132 });
    expect(faultOf(`${'- '.repeat(200)}1`)).toMatchObject({ code: 'too-deep', column: 257 });
  });

  it('bytes that are no UTF-8 are refused', () => {
    expect(faultOf(Uint8Array.from([0x61, 0x3a, 0x20, 0xff]))).toMatchObject({ code: 'invalid-encoding', at: 3 });
  });

  const laughs = (levels: number) =>
    ['a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]']
      .concat(Array.from({ length: levels }, (_, n) => `a${n + 1}: &a${n + 1} [${Array(9).fill(`*a${n}`).join(', ')}]`))
      .join('\n');

  it('may repeat what an alias names, a billion times not', () => {
    expect(Object.keys(yaml(laughs(2)) as object)).toHaveLength(3);
    expect(faultOf(laughs(9))).toMatchObject({ code: 'malformed-yaml' });
    expect(faultOf(`a: &a ${'x'.repeat(100_000)}\nb: [${Array(100).fill('*a').join(', ')}]`)).toMatchObject({
      code: 'malformed-yaml',
    });
  });

  it.each([
    ['laughs', laughs(9)],
    ['brackets', '['.repeat(500_000)],
    ['closing braces', '}'.repeat(500_000)],
    ['dashes', '- '.repeat(250_000)],
    ['keys', Array.from({ length: 60_000 }, (_, n) => `k${n}: 1`).join('\n')],
    ['bad keys', ': a: b\n'.repeat(70_000)],
    ['tags', '- !foo x\n'.repeat(55_000)],
    ['directives', '%FOO\n'.repeat(100_000)],
    ['blank lines', '\n'.repeat(500_000)],
    ['quotes', `"${'\\n'.repeat(250_000)}"`],
  ])('a bomb of %s is answered quickly, without a crash', (_, text) => {
    const from = performance.now();
    parseDefinition(text, 'yaml');
    // A busy machine of two cores takes .7 s for the worst; without the bounds most take 3 to 20.
    expect(performance.now() - from).toBeLessThan(2_500);
  });
});

describe('a definition in JSON', () => {
  it('is read strictly, with the place of every pointer', () => {
    const text = '{\n  "root": {"a/b": [1, {"x": "}"}],\n "c\\u0041": null}\n}';
    const { body, placeOf } = parsed(Buffer.from(text), 'json');
    expect(body).toEqual({ document: JSON.parse(text), written: JSON.parse(text), text, format: 'json' });
    expect(placeOf('/root')).toEqual({ line: 2, column: 3 });
    expect(placeOf('/root/a~1b')).toEqual({ line: 2, column: 12 });
    expect(placeOf('/root/a~1b/1/x')).toEqual({ line: 2, column: 24 });
    expect(placeOf('/root/a~1b/1/missing')).toEqual({ line: 2, column: 23 });
    expect(placeOf('/root/cA')).toEqual({ line: 3, column: 2 });
    expect(faultOf('{"a":1,"a":2}', 'json')).toMatchObject({ code: 'duplicate-key', line: 1, column: 8 });
  });

  it('takes as many members and levels as the largest plan needs', () => {
    const steps = Array.from({ length: 5_000 }, (_, index) => ({ type: 'pass', name: `p${index}`, comment: '' }));
    expect(faultOf(JSON.stringify({ root: { type: 'sequence', steps } }), 'json')).toBeNull();
    const nested = (levels: number): object =>
      levels === 1 ? { type: 'pass', input: [[[]]] } : { type: 'sequence', name: 'n', steps: [nested(levels - 1)] };
    expect(compileTree(parsed(JSON.stringify({ root: nested(32) }), 'json').body.document).plan).not.toBeNull();
    expect(faultOf('['.repeat(129) + ']'.repeat(129), 'json')).toMatchObject({ code: 'too-deep' });
  });

  it('finds the place of every pointer of any document', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 4 }), fc.constantFrom(undefined, 1, '\t'), (value, space) => {
        const text = JSON.stringify(value, null, space);
        const result = parseDefinition(text, 'json');
        fc.pre(result.status === 'parsed');
        const visit = (member: unknown, pointer: string) => {
          const { line, column } = (result as ReturnType<typeof parsed>).placeOf(pointer)!;
          const rest = text
            .split('\n')
            .slice(line - 1)
            .join('\n')
            .slice(column - 1);
          const key = pointer.split('/').at(-1)!.replaceAll('~1', '/').replaceAll('~0', '~');
          const begins = [JSON.stringify(key), JSON.stringify(member)?.slice(0, 1)].some((start) =>
            rest.startsWith(start!),
          );
          expect({ pointer, rest, begins }).toMatchObject({ begins: true });
          if (typeof member !== 'object' || member === null) return;
          for (const [name, inner] of Object.entries(member))
            visit(inner, `${pointer}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`);
        };
        visit(value, '');
      }),
      { numRuns: 100 },
    );
  });
});

it.each(['json', 'yaml'] as const)('a definition of 10,000 nodes passes every limit, in %s', (format) => {
  const steps = Array.from({ length: 9_999 }, (_, n) => ({ type: 'step', name: `c${n}x`, url: '/charge' }));
  const document = { target: 'http://app:4000', root: { type: 'sequence', steps } };
  const flow = { collectionStyle: 'flow', lineWidth: 0 } as const;
  const text = format === 'json' ? JSON.stringify(document) : stringify(document, flow);
  expect(compileDefinition(parsed(text, format).body, DEFAULT_COMPILE_LIMITS)).toMatchObject({ status: 'compiled' });
});
