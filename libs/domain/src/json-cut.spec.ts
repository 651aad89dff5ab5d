import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { jsonTexts } from '../../runtime/testing/json-texts.js';
import { JsonCutter } from './json-cut.js';

const cut = (text: string, pointer: string): string | null => new JsonCutter(text).cut(pointer);

const below = (pointer: string, token: string | number): string =>
  `${pointer}/${String(token).replaceAll('~', '~0').replaceAll('/', '~1')}`;

/** Every value inside a value, with the pointer to it. */
const places = (value: unknown, pointer = ''): readonly (readonly [string, unknown])[] =>
  typeof value !== 'object' || value === null
    ? [[pointer, value]]
    : [[pointer, value], ...Object.entries(value).flatMap(([token, inner]) => places(inner, below(pointer, token)))];

/** Objects whose names are hostile: equal ones, escaped ones, those that arrays and prototypes have. */
const names = fc.oneof(
  fc.constantFrom('""', '"a"', '"\\u0061"', '"a/b"', '"~"', '"~1"', '"0"', '"__proto__"', '"length"', '"]}\\""'),
  fc.string({ unit: 'binary' }).map((text) => JSON.stringify(text)),
);
const space = fc.constantFrom('', ' ', '\n\t', '\r\n  ');
const hostileTexts = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.oneof(
      jsonTexts.map(({ spaced }) => spaced),
      names,
    ),
    fc
      .tuple(fc.array(tie('value'), { maxLength: 4 }), space, space)
      .map(([items, before, after]) => `[${before}${items.join(`${after},${before}`)}${after}]`),
    fc
      .tuple(fc.array(fc.tuple(names, tie('value')), { maxLength: 4 }), space, space)
      .map(
        ([members, before, after]) =>
          `{${before}${members.map(([name, value]) => `${name}${after}:${before}${value}`).join(`${after},${before}`)}${after}}`,
      ),
  ),
})).value;

/**
 * V8 takes a name with an escape for the name `\\` (or another that begins as its escape does), once an object of the same
 * members had that: `JSON.parse('{"q":0,"\\\\":1}')`, then `JSON.parse('{"q":0,"\\u00e9":1}')` has `\\` (Node.js 24.21).
 */
const misleadsV8 = (text: string): boolean => /\\\\|\\u005c/i.test(text);

describe('JsonCutter', () => {
  it('cuts every value that JSON.parse finds, and each to the letter', () => {
    fc.assert(
      fc.property(
        hostileTexts.filter((text) => !misleadsV8(text)),
        space,
        space,
        (text, before, after) => {
          const spaced = `${before}${text}${after}`;
          const cutter = new JsonCutter(spaced);
          expect(cutter.cut('')).toBe(text);
          for (const [pointer, value] of places(JSON.parse(spaced))) {
            const found = cutter.cut(pointer);
            expect({ pointer, found: found === null ? null : JSON.parse(found) }).toEqual({ pointer, found: value });
            expect(found === found?.trim() && spaced.includes(found ?? '')).toBe(true);
          }
        },
      ),
      { numRuns: 1_000 },
    );
  });

  it('leaves numbers, escapes and inner space as they stand', () => {
    const text = ' {"a" : [1.0, 1e400 ,9007199254740993, "\\u00e9\\/" , { "b" :\t-0.0 } ] } ';
    expect(cut(text, '/a')).toBe('[1.0, 1e400 ,9007199254740993, "\\u00e9\\/" , { "b" :\t-0.0 } ]');
    expect(['/a/0', '/a/1', '/a/2', '/a/3', '/a/4/b'].map((pointer) => cut(text, pointer))).toEqual([
      '1.0',
      '1e400',
      '9007199254740993',
      '"\\u00e9\\/"',
      '-0.0',
    ]);
  });

  it('is not misled by what strings end with', () => {
    const text = String.raw`{"\\":"\\","a\\\"":["\\\"]}","]",{"\\":"}"}],"b":"\u005c","c":1}`;
    const found = ['/\\', String.raw`/a\"/1`, '/a\\"/2/\\', '/b', '/c'];
    expect(found.map((pointer) => cut(text, pointer))).toEqual([
      String.raw`"\\"`,
      '"]"',
      '"}"',
      String.raw`"\u005c"`,
      '1',
    ]);
  });

  it('reads names and tokens as their escapes say, and takes the last of equal names', () => {
    const text = '{"a/b":1,"m~n":2,"~1":3,"\\u0078":4,"x":5,"":{"":6},"\\\\\\"":7,"n":{"a":1},"n":{"b":2}}';
    const found = ['/a~1b', '/m~0n', '/~01', '/x', '//', '/\\"', '/n/b', '/n/a'].map((pointer) => cut(text, pointer));
    expect(found).toEqual(['1', '2', '3', '5', '6', '7', '2', null]);
  });

  it.each([
    ['[1,2]', '/2'],
    ['[1,2]', '/-'],
    ['[1,2]', '/00'],
    ['[1,2]', '/01'],
    ['[1,2]', '/1e0'],
    ['[1,2]', '/ 1'],
    ['[1,2]', '/-1'],
    ['[1,2]', '/length'],
    ['[1,2]', `/${'9'.repeat(400)}`],
    ['[1,2]', '/0/0'],
    ['[]', '/0'],
    ['{}', '/'],
    ['{"a":1}', 'a'],
    ['{"a":1}', '/a/'],
    ['{"a":"b"}', '/a/b'],
    ['{"~":1}', '/~'],
    ['{"~2":1}', '/~2'],
    ['{"a":1}', '/__proto__'],
    ['{"a":1}', '/constructor'],
    ['null', '/a'],
    ['', '/a'],
  ])('leads to nothing in %s by %s', (text, pointer) => expect(cut(text, pointer)).toBeNull());

  it('is neither slow nor out of stack however deep it goes', () => {
    const depth = 100_000;
    const text = `[${'['.repeat(depth)}7${']'.repeat(depth)},8]`;
    expect(cut(text, '/1')).toBe('8');
    expect(cut(text, '/0')).toHaveLength(2 * depth + 1);
  });

  it('takes one pass over a text for all items of it: 10,000 of 384 KiB cost what ten do, but for the cuts', () => {
    const items = Array.from(
      { length: 10_000 },
      (_, index) => `{"id":${index},"name":"this is item ${index} \\"x\\""}`,
    );
    const text = `{"items":[${items.join(',')}]}`;
    expect(text.length).toBeGreaterThan(384 * 1024);
    const cutter = new JsonCutter(text);
    const startedMs = performance.now();
    const found = items.map((_, index) => cutter.cut(`/items/${index}`));
    const names = items.map((_, index) => cutter.cut(`/items/${index}/name`));
    // A pass for each would be four thousand million characters, some seconds of work.
    expect(performance.now() - startedMs).toBeLessThan(1_000);
    expect(found).toEqual(items);
    expect(names.at(-1)).toBe('"this is item 9999 \\"x\\""');
  });
});
