import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { jsonTexts, numbersIn } from '../../testing/json-texts.js';
import { JSON_LIMITS } from './json-fault.js';
import { canonicalNumber, isHeldByDouble } from './json-number.js';
import { scanJson } from './scan-json.js';
import { canonicalText, parseStrictJson } from './strict-json.js';

const faultOf = (input: string | Uint8Array) => {
  const result = parseStrictJson(input);
  return result.status === 'refused' ? result.fault : null;
};
const codeOf = (input: string | Uint8Array) => faultOf(input)?.code ?? 'parsed';

describe('what is accepted', () => {
  it.each([
    ['{"a":1}', '{"a":1}'],
    [' { "a" : [ 1.50 , -0 ] }\n', '{"a":[1.50,-0]}'],
    ['{"2":1,"1":2}', '{"2":1,"1":2}'],
    ['"\\u00e9\\/"', '"\\u00e9\\/"'],
    ['"\\ud83d\\ude00"', '"\\ud83d\\ude00"'],
    ['"\ud83d\\ude00"', '"\ud83d\\ude00"'],
    ['["\\u00e9 \\"", 1 ,\t"a b\\\\" ]', '["\\u00e9 \\"",1,"a b\\\\"]'],
    ['1e21', '1e21'],
    ['9007199254740991', '9007199254740991'],
    ['0.0e-999', '0.0e-999'],
    ['[1e18,1.0,1E5,-0]', '[1e18,1.0,1E5,-0]'],
    ['\ufeff{"a":1}', '{"a":1}'],
    ['\ufeff [ 1.0 ]', '[1.0]'],
    ['null', 'null'],
    ['{"constructor":{"name":"x"}}', '{"constructor":{"name":"x"}}'],
    ['{"prototype":1,"a":"__proto__"}', '{"prototype":1,"a":"__proto__"}'],
    ['{"id":"12345678901234567890"}', '{"id":"12345678901234567890"}'],
  ])('gives %j as %j', (sent, text) => {
    const plain = sent.replace('\ufeff', '');
    expect(parseStrictJson(sent)).toEqual({ status: 'parsed', value: JSON.parse(plain), text, held: true });
    if (sent.isWellFormed()) expect(parseStrictJson(Buffer.from(sent))).toMatchObject({ status: 'parsed', text });
    expect(scanJson(plain, JSON_LIMITS)).toEqual({ status: 'clean', compact: text, held: true });
  });

  it.each([
    '9007199254740993',
    '9007199254740993.0',
    '12345678901234567890',
    '0.1000000000000000055511151231257827',
    '1e400',
    '-1e-400',
    '1e1000',
    `1${'0'.repeat(998)}1`,
  ])('takes the number %s as it stands, and says that no double holds it', (number) => {
    const text = `{"a":[${number}]}`;
    expect(parseStrictJson(text)).toMatchObject({ status: 'parsed', text, held: false });
    expect(parseStrictJson(`{ "a": [${number}\n] }`)).toMatchObject({ status: 'parsed', text, held: false });
  });

  it('takes 64 levels and 100,000 members, in the quick stage and in the scan', () => {
    const members = `{${Array.from({ length: 100_000 }, (_, index) => `"k${index}":1`).join()}}`;
    const levels = '['.repeat(64) + ']'.repeat(64);
    for (const text of [members, levels]) {
      expect(codeOf(text)).toBe('parsed');
      expect(scanJson(text, JSON_LIMITS)).toMatchObject({ status: 'clean' });
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
    ['1e1001', 'number-out-of-range'],
    ['[-1E+1001]', 'number-out-of-range'],
    ['1e-1001', 'number-out-of-range'],
    ['0e99999999999999999999', 'number-out-of-range'],
    ['1'.repeat(1_001), 'number-out-of-range'],
    [`0.${'0'.repeat(999)}`, 'number-out-of-range'],
    ['"\\u0000"', 'invalid-string'],
    ['{"a\\u0000":1}', 'invalid-string'],
    ['"\u0000"', 'invalid-string'],
    ['"\\ud800"', 'invalid-string'],
    ['"\\udc00"', 'invalid-string'],
    ['"\ud800"', 'invalid-string'],
    ['{"\\ud800x":1}', 'invalid-string'],
    ['\ufeff\ufeff{}', 'malformed-json'],
    ['\ufeff', 'malformed-json'],
  ])('refuses %j as %s', (text, code) => {
    expect(codeOf(text)).toBe(code);
  });

  it.each([
    [[0xff, 0xfe, 0x7b, 0x00], 0],
    [[0x00, 0x7b], 0],
    [[0x7b, 0x00, 0x7d, 0x00], 0],
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
    ['members of one', `{${Array.from({ length: 100_001 }, (_, index) => `"k${index}":1`).join()}}`, 'too-many-keys'],
    ['members of many', `[${Array.from({ length: 100_001 }, () => '{"a":1}').join()}]`, 'too-many-keys'],
  ])('refuses too many %s', (_, text, code) => {
    expect(codeOf(text)).toBe(code);
  });

  it('names the place by pointer, character, line and column', () => {
    expect(faultOf('{\n  "a/b": [1, {"c~": 1e9999}]\n}')).toEqual({
      code: 'number-out-of-range',
      detail: 'The number 1e9999 has an exponent past ±1000: send it as a string',
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
        const scanned = scanJson(mutated, JSON_LIMITS);
        expect(scanned.status === 'refused' ? scanned.fault.code : 'parsed').toBe(code);
        const both = scanned.status === 'clean' ? scanned.compact : null;
        const parsed = parseStrictJson(mutated);
        expect(parsed.status === 'parsed' ? parsed.text : null).toBe(both);
      }),
      { numRuns: 500 },
    );
  });

  it('any spacing gives the same value and the same text', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom(1, 2, '\t', '\n'), (value, space) => {
        const compact = parseStrictJson(JSON.stringify(value));
        fc.pre(compact.status === 'parsed');
        expect(parseStrictJson(JSON.stringify(value, null, space))).toEqual(compact);
      }),
      { numRuns: 200 },
    );
  });

  it('any text comes out as it went in but for space, its numbers among it', () => {
    fc.assert(
      fc.property(jsonTexts, ({ spaced, compact }) => {
        const held = numbersIn(compact).every(isHeldByDouble);
        expect(parseStrictJson(spaced)).toEqual({ status: 'parsed', value: JSON.parse(compact), text: compact, held });
      }),
      { numRuns: 1_000 },
    );
  });

  it('the canonical text is one for all texts that say the same, and has all digits', () => {
    const canonical = (text: string): string => {
      const parsed = parseStrictJson(text);
      if (parsed.status === 'refused') throw new Error(parsed.fault.detail);
      return canonicalText(parsed);
    };
    fc.assert(
      fc.property(jsonTexts, ({ spaced, compact }) => {
        const text = canonical(spaced);
        expect(canonical(compact)).toBe(text);
        expect([...numbersIn(text)].sort()).toEqual(numbersIn(compact).map(canonicalNumber).sort());
      }),
      { numRuns: 500 },
    );
  });
});
