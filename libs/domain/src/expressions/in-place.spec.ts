import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import jsonata from 'jsonata';
import { inPlace, Names } from './in-place.js';
import { jsonOf, valueOfJson, type Value } from './value.js';

const VARIABLES = ['input', 'output', 'item'];

const evaluate = (source: string, given: Readonly<Record<string, unknown>> = {}): string | undefined => {
  const ready = inPlace(source);
  if (ready === null) throw new Error(`not in place: ${source}`);
  const names = new Names((name) =>
    Object.hasOwn(given, name) ? valueOfJson(JSON.stringify(given[name])) : undefined,
  );
  return jsonOf(ready(undefined, names));
};

const literal = fc.oneof(
  fc.integer({ min: -3, max: 5 }).map(String),
  fc.constantFrom('0.5', '1e3', '"a"', '"b c"', "'x'", '""', 'true', 'false', 'null'),
);
const name = fc.oneof(
  { weight: 9, arbitrary: fc.constantFrom('a', 'b', 'c', '`b c`') },
  // Names that objects, lists and texts have of themselves.
  { weight: 1, arbitrary: fc.constantFrom('__proto__', 'constructor', 'length', 'toString') },
);
const variable = fc.constantFrom(...VARIABLES.map((known) => `$${known}`), '$v', '$unknown', '$');

const { expression } = fc.letrec<{ expression: string; step: string; path: string }>((tie) => {
  const of = tie('expression');
  return {
    step: fc.oneof(
      { weight: 5, arbitrary: name },
      { weight: 1, arbitrary: fc.tuple(name, of).map(([head, filter]) => `${head}[${filter}]`) },
      { weight: 1, arbitrary: fc.array(of, { maxLength: 2 }).map((items) => `[${items.join(', ')}]`) },
      { weight: 1, arbitrary: of.map((value) => `{ "k": ${value} }`) },
      { weight: 1, arbitrary: of.map((inner) => `(${inner})`) },
    ),
    path: fc
      .tuple(
        fc.oneof(
          variable,
          name,
          of.map((inner) => `(${inner})`),
        ),
        fc.array(tie('step'), { minLength: 1, maxLength: 3 }),
        fc.constantFrom('', '', '[]'),
      )
      .map(([head, steps, keep]) => `${[head, ...steps].join('.')}${keep}`),
    expression: fc.oneof(
      { maxDepth: 3, depthSize: 'small' },
      literal,
      variable,
      tie('path'),
      fc
        .tuple(
          of,
          fc.constantFrom('+', '-', '*', '/', '%', '=', '!=', '<', '<=', '>', '>=', '&', 'and', 'or', 'in'),
          of,
        )
        .map(([left, sign, right]) => `(${left}) ${sign} (${right})`),
      fc.tuple(of, of, of).map(([test, then, otherwise]) => `((${test}) ? (${then}) : (${otherwise}))`),
      fc.tuple(of, of).map(([one, other]) => `((${one}) ?: (${other}))`),
      fc.tuple(of, of).map(([one, other]) => `((${one}) ?? (${other}))`),
      fc.tuple(of, of).map(([bound, then]) => `($v := ${bound}; ${then})`),
      fc.array(of, { maxLength: 3 }).map((items) => `[${items.join(', ')}]`),
      fc
        .array(fc.tuple(fc.constantFrom('"a"', '"b"', '"__proto__"', 'a', '$v'), of), { maxLength: 3 })
        .map((members) => `{ ${members.map(([key, value]) => `${key}: ${value}`).join(', ')} }`),
      fc.tuple(of, of).map(([list, filter]) => `(${list})[${filter}]`),
      of.map((inner) => `-(${inner})`),
    ),
  };
});

const data = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    fc.integer({ min: -3, max: 5 }),
    fc.constantFrom(null, true, false, 'a', '', 1.5),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom('a', 'b', 'c', 'b c', '__proto__', '7'), tie('value'), { maxKeys: 3 }),
  ),
})).value;

describe('an expression that surely ends', () => {
  it('gives what the package of JSONata gives, or fails where that fails', async () => {
    const seen = { compared: 0, values: 0, failures: 0, nothing: 0 };
    const holds = fc.asyncProperty(
      expression,
      fc.record({ input: data, output: data, item: data }),
      async (source, given) => {
        const ready = inPlace(source);
        let package_: ReturnType<typeof jsonata>;
        try {
          package_ = jsonata(source);
        } catch {
          expect(ready).toBeNull();
          return;
        }
        expect([source, ready === null]).toEqual([source, false]);
        const known = JSON.parse(JSON.stringify(given)) as Record<string, unknown>;
        let theirs: unknown;
        try {
          const value: unknown = await package_.evaluate(undefined, known);
          theirs = [jsonOf(value as Value) ?? 'nothing'];
        } catch {
          theirs = 'failed';
        }
        let ours: unknown;
        try {
          ours = [evaluate(source, given as Record<string, unknown>) ?? 'nothing'];
        } catch {
          ours = 'failed';
        }
        expect([source, ours]).toEqual([source, theirs]);
        seen.compared += 1;
        if (theirs === 'failed') seen.failures += 1;
        else if ((theirs as string[])[0] === 'nothing') seen.nothing += 1;
        else seen.values += 1;
      },
    );
    await fc.assert(holds, { numRuns: 10_000 });
    for (const [what, count] of Object.entries(seen)) expect([what, count > 500]).toEqual([what, true]);
  }, 60_000);

  it('puts nothing into an empty list that an object is made of, as the package does', () => {
    expect(evaluate('([[]])[{ "a": 1 }]')).toBe('[null]');
  });

  it.each([
    ['$sum($input)', 'a call'],
    ['function($x) { $x }', 'a function'],
    ['/a/', 'a regular expression'],
    ['[1..3]', 'a range'],
    ['$input.*', 'a wildcard'],
    ['$input.a.%.b', 'a parent'],
    ['$input^(a)', 'an order'],
    ['$input{ a: b }', 'groups of a path'],
    ['$input ~> $f', 'a chain'],
    ['$sum', 'the value of a function'],
  ])('%s is none: it has %s', (source) => {
    expect(inPlace(source)).toBeNull();
  });

  it('carries integers that no double holds, into results and texts, and computes nothing with them', () => {
    const names = new Names(() => valueOfJson('{"id":9007199254740993,"n":[12345678901234567890.0, 1.50]}'));
    const of = (source: string) => jsonOf(inPlace(source)!(undefined, names));
    expect(of("{ 'id': $input.id, 'n': $input.n }")).toBe('{"id":9007199254740993,"n":[12345678901234567890,1.5]}');
    expect(of("'order-' & $input.id")).toBe('"order-9007199254740993"');
    expect(() => of('$input.id + 1')).toThrow('"+" needs numbers');
    expect(() => of('$input.id > 1')).toThrow('">" compares');
    // More than the largest double.
    expect(jsonOf(valueOfJson('1'.repeat(400)))).toBe('1'.repeat(400));
  });

  it('reads names as they stand, whatever was read before', () => {
    for (const poison of ['{"p":0,"\\\\":1}', '{"p":{},"\\\\":[]}']) JSON.parse(poison);
    const told = [
      ['{"p":0,"\\u00e9":5}', '{"p":0,"é":5}'],
      ['[{"p":{},"\\n\\u00e9":5}]', '[{"p":{},"\\né":5}]'],
    ] as const;
    for (const [text, same] of told) {
      const names = new Names(() => valueOfJson(text));
      expect(jsonOf(inPlace('$input')!(undefined, names))).toBe(same);
    }
  });

  it('gives no number that JSON cannot hold', () => {
    expect(() => evaluate('1 / 0')).toThrow('out of range');
  });
});
