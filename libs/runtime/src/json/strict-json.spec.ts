import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { JSON_LIMITS } from './json-fault.js';
import { scanJson } from './scan-json.js';
import { parseStrictJson } from './strict-json.js';

const faultOf = (input: string | Uint8Array) => {
  const result = parseStrictJson(input);
  return result.status === 'refused' ? result.fault : null;
};
const codeOf = (input: string | Uint8Array) => faultOf(input)?.code ?? 'parsed';

describe('what is accepted', () => {
  it.each([
    ['{"a":1}', '{"a":1}'],
    [' { "a" : [ 1.50 , -0 ] }\n', '{"a":[1.5,0]}'],
    ['{"2":1,"1":2}', '{"1":2,"2":1}'],
    ['"\\u00e9\\/"', '"é/"'],
    ['"\\ud83d\\ude00"', '"😀"'],
    ['"\ud83d\\ude00"', '"😀"'],
    ['1e21', '1e+21'],
    ['9007199254740991', '9007199254740991'],
    ['0.0e-999', '0'],
    ['null', 'null'],
    ['{"constructor":{"name":"x"}}', '{"constructor":{"name":"x"}}'],
    ['{"prototype":1,"a":"__proto__"}', '{"prototype":1,"a":"__proto__"}'],
    ['{"id":"12345678901234567890"}', '{"id":"12345678901234567890"}'],
  ])('gives %j as %j', (text, normalised) => {
    expect(parseStrictJson(text)).toEqual({ status: 'parsed', value: JSON.parse(text), text: normalised });
    const scanned = scanJson(text, JSON_LIMITS);
    expect(scanned).toBeNull();
  });

  it('takes 64 levels and 10,000 members, in the quick stage and in the scan', () => {
    const members = `{${Array.from({ length: 10_000 }, (_, index) => `"k${index}":1`).join()}}`;
    const levels = '['.repeat(64) + ']'.repeat(64);
    for (const text of [members, levels]) {
      expect(codeOf(text)).toBe('parsed');
      expect(scanJson(text, JSON_LIMITS)).toBeNull();
    }
    expect(codeOf(`[${Array.from({ length: 500 }, () => '{"a":[]}').join()}]`)).toBe('parsed');
  });
});

describe('what is refused, with its code', () => {
  it.each([
    ['', 'malformed-json'],
    [' \n', 'malformed-json'],
    ['{', 'malformed-json'],
    ['{"a":1,}', 'malformed-json'],
    ['[1,]', 'malformed-json'],
    ['{"a":1} x', 'malformed-json'],
    ['[1] [2]', 'malformed-json'],
    ['NaN', 'malformed-json'],
    ['-', 'malformed-json'],
    ['01', 'malformed-json'],
    ['1.', 'malformed-json'],
    ['"a', 'malformed-json'],
    ['"\\x"', 'malformed-json'],
    ['"\\u12g4"', 'malformed-json'],
    ['"a\nb"', 'malformed-json'],
    ["{'a':1}", 'malformed-json'],
    ['{"a":1,"a":2}', 'duplicate-key'],
    ['{"a":1,"\\u0061":1}', 'duplicate-key'],
    ['{"__proto__":{}}', 'forbidden-key'],
    ['{"\\u005f_proto__":{}}', 'forbidden-key'],
    ['{"constructor":{"prototype":{}}}', 'forbidden-key'],
    ['{"constructor":{"a":1,"prototype":{}}}', 'forbidden-key'],
    ['1e999', 'number-out-of-range'],
    ['[-1e999]', 'number-out-of-range'],
    ['1e-999', 'number-out-of-range'],
    ['12345678901234567890', 'number-out-of-range'],
    ['{"a":9007199254740993}', 'number-out-of-range'],
    ['{"a":9007199254740994}', 'number-out-of-range'],
    ['100000000000000000000', 'number-out-of-range'],
    ['"\\u0000"', 'invalid-string'],
    ['{"a\\u0000":1}', 'invalid-string'],
    ['"\u0000"', 'invalid-string'],
    ['"\\ud800"', 'invalid-string'],
    ['"\\udc00"', 'invalid-string'],
    ['"\ud800"', 'invalid-string'],
    ['{"\\ud800x":1}', 'invalid-string'],
    ['\ufeff{}', 'invalid-encoding'],
  ])('refuses %j as %s', (text, code) => {
    expect(codeOf(text)).toBe(code);
  });

  it.each([
    [[0xff, 0xfe, 0x7b, 0x00], 0],
    [[0x00, 0x7b], 0],
    [[0x7b, 0x00, 0x7d, 0x00], 0],
    [[0xef, 0xbb, 0xbf, 0x7b, 0x7d], 0],
    [[0x22, 0xc3, 0x28, 0x22], 1],
    [[0x22, 0xed, 0xa0, 0x80, 0x22], 1],
    [[0x22, 0xf0, 0x9f, 0x98, 0x80, 0x80, 0x22], 5],
    [[...Buffer.from(`"${'é'.repeat(50)}"`), 0xc0], 102],
  ])('refuses the bytes %j as no UTF-8, at byte %i', (bytes, at) => {
    expect(faultOf(Uint8Array.from(bytes))).toMatchObject({ code: 'invalid-encoding', at });
  });

  it.each([
    ['arrays', '['.repeat(65) + ']'.repeat(65), 'too-deep'],
    ['brackets', '['.repeat(100_000), 'too-deep'],
    ['objects', '{"a":'.repeat(65) + '1' + '}'.repeat(65), 'too-deep'],
    ['members of one', `{${Array.from({ length: 10_001 }, (_, index) => `"k${index}":1`).join()}}`, 'too-many-keys'],
    ['members of many', `[${Array.from({ length: 10_001 }, () => '{"a":1}').join()}]`, 'too-many-keys'],
  ])('refuses too many %s', (_, text, code) => {
    expect(codeOf(text)).toBe(code);
  });

  it('names the place by pointer, character, line and column', () => {
    expect(faultOf('{\n  "a/b": [1, {"c~": 1e999}]\n}')).toEqual({
      code: 'number-out-of-range',
      detail: 'The number 1e999 cannot be held without loss: send it as a string',
      pointer: '/a~1b/1/c~0',
      at: 22,
      line: 2,
      column: 21,
    });
    expect(faultOf('{"a":1,\n"a":2}')).toMatchObject({ pointer: '/a', at: 8, line: 2, column: 1 });
    expect(faultOf('[1,\n2 3]')).toMatchObject({
      detail: 'Unexpected "3": "," or "]" was expected',
      line: 2,
      column: 3,
    });
  });

  it('answers the deepest and the widest text in no more time than it takes to read it', () => {
    const from = performance.now();
    faultOf('['.repeat(260_000));
    faultOf(`{${Array.from({ length: 30_000 }, (_, index) => `"k${index}":1`).join()}}`);
    // 6 ms on an idle machine; what grows with the square takes minutes.
    expect(performance.now() - from).toBeLessThan(1_000);
  });

  it('leaves Object.prototype clean', () => {
    parseStrictJson('{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}');
    expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false);
  });
});

describe('properties', () => {
  const clean = fc.jsonValue({ maxDepth: 5 }).map((value) => JSON.stringify(value));

  it('both stages agree on what is JSON, also on damaged texts', () => {
    const damaged = fc.tuple(clean, fc.nat(), fc.constantFrom('', '"', ',', '}', '[', '1', '\\', ' ', 'e', '-', '.'));
    fc.assert(
      fc.property(damaged, ([text, at, put]) => {
        const cut = at % (text.length + 1);
        const mutated = text.slice(0, cut) + put + text.slice(cut + 1);
        let valid = true;
        try {
          JSON.parse(mutated);
        } catch {
          valid = false;
        }
        const code = codeOf(mutated);
        if (!valid)
          expect([
            'malformed-json',
            'duplicate-key',
            'number-out-of-range',
            'forbidden-key',
            'invalid-string',
          ]).toContain(code);
        else if (code !== 'parsed') expect(code).not.toBe('malformed-json');
        expect(scanJson(mutated, JSON_LIMITS)?.code ?? 'parsed').toBe(code);
      }),
      { numRuns: 500 },
    );
  });

  it('any spacing gives the same value and the same normalised text', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom(1, 2, '\t', '\n'), (value, space) => {
        const compact = parseStrictJson(JSON.stringify(value));
        fc.pre(compact.status === 'parsed');
        expect(parseStrictJson(JSON.stringify(value, null, space))).toEqual(compact);
      }),
      { numRuns: 200 },
    );
  });
});
