import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { canonicalText, parseAsWritten, parseStrictJson } from '#runtime';
import { parseJson } from './parse-json.js';

/** Members as they are known, not as any parser says. */
type Known = { readonly text: string; readonly flat: unknown };

// A character, and a way to write it in JSON.
const character = fc.constantFrom(
  ...[
    ['\\', '\\\\'],
    ['"', '\\"'],
    ['é', '\\u00e9'],
    ['é', 'é'],
    ['A', '\\u0041'],
    ['a', 'a'],
    ['\n', '\\n'],
    ['/', '\\/'],
    ['q', 'q'],
  ],
);
const name = fc.array(character, { maxLength: 3 }).map((characters) => ({
  is: characters.map(([is]) => is).join(''),
  written: `"${characters.map(([, written]) => written).join('')}"`,
}));
const space = fc.constantFrom('', '', ' ', '\n\t');

/** Objects as lists of names and values: no object stands between what was meant and what is compared. */
const { known } = fc.letrec<{ known: Known }>((tie) => ({
  known: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom<Known>(
      { text: '1', flat: 1 },
      { text: '-0.5e1', flat: -5 },
      { text: 'true', flat: true },
      { text: 'null', flat: null },
    ),
    name.map(({ is, written }): Known => ({ text: written, flat: is })),
    fc.tuple(fc.array(tie('known'), { maxLength: 3 }), space).map(([items, gap]): Known => ({
      text: `[${gap}${items.map(({ text }) => text).join(`${gap},${gap}`)}${gap}]`,
      flat: items.map(({ flat }) => flat),
    })),
    fc
      .tuple(fc.uniqueArray(fc.tuple(name, tie('known')), { maxLength: 4, selector: ([{ is }]) => is }), space)
      .map(([members, gap]): Known => ({
        text: `{${gap}${members.map(([key, { text }]) => `${key.written}${gap}:${gap}${text}`).join(`${gap},`)}${gap}}`,
        flat: { members: members.map(([{ is }, { flat }]) => [is, flat]) },
      })),
  ),
}));

const flatOf = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(flatOf);
  if (typeof value !== 'object' || value === null) return value;
  return { members: Object.entries(value).map(([key, member]) => [key, flatOf(member)]) };
};

describe('parseJson', () => {
  it('reads every name as it stands, whatever was read before', () => {
    const poison = ['{"q":0,"\\\\":1}', '{"\\\\":[],"a":1}', '{"a":{},"\\\\":2}'];
    for (const text of poison) parseJson(text);
    const holds = fc.property(known, ({ text, flat }) => {
      expect(flatOf(parseJson(text))).toEqual(flat);
    });
    fc.assert(holds, { numRuns: 3_000 });
  });

  it('is needed: the engine that runs this reads such a name wrongly', () => {
    // When this is red, the engine is mended: `parseJson` can be `JSON.parse` again, once no older engine is allowed.
    JSON.parse('{"needed":0,"\\\\":1}');
    expect(Object.keys(JSON.parse('{"needed":0,"\\u00e9":0}') as object)).toEqual(['needed', '\\']);
    expect(Object.keys(parseJson('{"needed":0,"\\u00e9":0}') as object)).toEqual(['needed', 'é']);
  });

  it('is what is asked of all that comes from outside, with its numbers and its canonical form', () => {
    JSON.parse('{"asked":1.50,"\\\\":[1]}');
    const text = '{"asked":1.50,"\\u00e9":[12345678901234567890]}';
    const parsed = parseStrictJson(text);
    expect(parsed).toMatchObject({ status: 'parsed', value: { asked: 1.5, é: [12345678901234567890] }, text });
    expect(canonicalText(parsed as typeof parsed & { status: 'parsed' })).toBe(
      '{"asked":1.5,"é":[12345678901234567890]}',
    );
    expect(JSON.stringify(parseAsWritten(text))).toBe('{"asked":1.50,"é":[12345678901234567890]}');
  });

  it.each(['{"\\u00e9":1', '{"\\u00e9"}', '{"\\u00e9":1}x', '{"\\x":1}', '"\\', '{"a\\":1}'])(
    'throws as JSON.parse does: %s',
    (text) => {
      expect(() => parseJson(text)).toThrow(SyntaxError);
    },
  );

  it('keeps a member named __proto__ as a member', () => {
    const value = parseJson('{"\\u00e9":1,"__proto__":{"x":2}}') as object;
    expect([Object.getPrototypeOf(value), Object.keys(value)]).toEqual([Object.prototype, ['é', '__proto__']]);
  });
});
