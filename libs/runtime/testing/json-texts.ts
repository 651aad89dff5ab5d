import fc from 'fast-check';

const digits = (most: number) => fc.stringMatching(new RegExp(`^[0-9]{1,${most}}$`));
const whole = fc.oneof(
  digits(30).map((text) => text.replace(/^0+(?=.)/, '')),
  fc.constantFrom('9007199254740992', '9007199254740993', '18446744073709551615', `1${'0'.repeat(200)}1`),
);
const exponent = fc
  .tuple(fc.constantFrom('e', 'E', 'e+', 'E-', 'e-'), fc.oneof(fc.nat(30), fc.nat(1_000)))
  .map(([mark, power]) => mark + power);

/** Any number as JSON may write it, most of them in a way that JavaScript would not, many of them held by no double. */
export const numberText: fc.Arbitrary<string> = fc
  .tuple(
    fc.constantFrom('', '-'),
    whole,
    fc.option(digits(25), { nil: null }),
    fc.option(exponent, { nil: '', freq: 2 }),
  )
  .map(([sign, int, fraction, power]) => `${sign}${int}${fraction === null ? '' : `.${fraction}`}${power}`);

const space = fc.constantFrom('', '', ' ', '\n', '\t', '\r\n  ');
const name = fc.oneof(
  fc.constantFrom('"1"', '"0"', '"a\\"b"', '"\\u00e9"', '"a,1.0"', '"{[1e5"'),
  fc.string().map((text) => JSON.stringify(text.replaceAll('\0', '').replace('__proto__', ''))),
);

/** A JSON text twice: with space between its tokens, and without. */
export type JsonTexts = { readonly spaced: string; readonly compact: string };

const list = (
  open: string,
  items: readonly JsonTexts[],
  close: string,
  [before, after]: [string, string],
): JsonTexts => ({
  spaced: `${open}${before}${items.map((item) => item.spaced).join(`${after},${before}`)}${after}${close}`,
  compact: `${open}${items.map((item) => item.compact).join(',')}${close}`,
});

/** Any JSON, in which there are many numbers. */
export const jsonTexts: fc.Arbitrary<JsonTexts> = fc.letrec<{ value: JsonTexts }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc
      .oneof(numberText, name, fc.constantFrom('true', 'false', 'null'))
      .map((text) => ({ spaced: text, compact: text })),
    fc
      .tuple(fc.array(tie('value'), { maxLength: 5 }), fc.tuple(space, space))
      .map(([items, spaces]) => list('[', items, ']', spaces)),
    fc
      .tuple(
        fc.uniqueArray(fc.tuple(name, tie('value')), {
          maxLength: 5,
          selector: ([text]) => JSON.parse(text) as string,
        }),
        fc.tuple(space, space),
      )
      .map(([members, spaces]) => {
        const items = members.map(([text, value]) => ({
          spaced: `${text}${spaces[1]}:${spaces[0]}${value.spaced}`,
          compact: `${text}:${value.compact}`,
        }));
        return list('{', items, '}', spaces);
      }),
  ),
})).value;

/** The numbers of a JSON text, as they stand there, in order. */
export const numbersIn = (text: string): readonly string[] =>
  text.replaceAll(/"(?:[^"\\]|\\.)*"/g, '""').match(/-?[0-9][0-9.eE+-]*/g) ?? [];
