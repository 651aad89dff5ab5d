import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { jsonTexts, numbersIn, numberText } from '../../testing/json-texts.js';
import { canonicalNumber, isHeldByDouble, NumberAsWritten, numberFault, parseAsWritten } from './json-number.js';

/** The number as digits and a power of ten, by BigInt: another way than that of the code. */
const exactly = (text: string): readonly [bigint, number] => {
  const [mantissa = '', power = '0'] = text.toLowerCase().split('e');
  const [int = '', fraction = ''] = mantissa.split('.');
  let value = BigInt(int.replace('-', '') + fraction) * (int.startsWith('-') ? -1n : 1n);
  let tens = 0 + Number(power) - fraction.length;
  if (value === 0n) return [0n, 0];
  for (; value % 10n === 0n; tens++) value /= 10n;
  return [value, tens];
};

describe('canonicalNumber', () => {
  it('writes every double as ECMAScript does', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
        expect(canonicalNumber(value.toExponential())).toBe(String(value));
        expect(isHeldByDouble(String(value))).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });

  it('gives one text for all ways to write a number, and says exactly that number', () => {
    fc.assert(
      fc.property(numberText, fc.integer({ min: -9, max: 9 }), (source, zeros) => {
        const canonical = canonicalNumber(source);
        expect(exactly(canonical)).toEqual(exactly(source));
        const [value, tens] = exactly(source);
        const other = `${value}${'0'.repeat(Math.abs(zeros))}e${tens - Math.abs(zeros)}`;
        expect(canonicalNumber(other)).toBe(canonical);
      }),
      { numRuns: 1_000 },
    );
  });

  it.each([
    ['9007199254740993.0', '9007199254740993', false],
    ['9007199254740992.0', '9007199254740992', true],
    ['1e18', '1000000000000000000', true],
    ['10.00', '10', true],
    ['-0.0', '0', true],
    ['0e1000', '0', true],
    ['1e400', '1e+400', false],
    ['0.10000000000000000001', '0.10000000000000000001', false],
    ['123456789012345678901234.5', '1.234567890123456789012345e+23', false],
  ])('writes %s as %s', (source, canonical, held) => {
    expect([canonicalNumber(source), isHeldByDouble(source)]).toEqual([canonical, held]);
  });
});

describe('numberFault', () => {
  it.each([
    ['1'.repeat(1_000), null],
    ['1e1000', null],
    ['-1.5E-1000', null],
    [
      '1'.repeat(1_001),
      `The number ${'1'.repeat(40)}… has 1001 characters, at most 1000 are allowed: send it as a string`,
    ],
    ['1e+1001', 'The number 1e+1001 has an exponent past ±1000: send it as a string'],
  ])('of %s is %s', (source, fault) => {
    expect(numberFault(source)).toBe(fault);
  });
});

describe('parseAsWritten', () => {
  it('gives a value that is written with the numbers of the text', () => {
    fc.assert(
      fc.property(jsonTexts, ({ spaced, compact }) => {
        const again = JSON.stringify(parseAsWritten(spaced));
        expect([...numbersIn(again)].sort()).toEqual([...numbersIn(compact)].sort());
        expect(JSON.parse(again)).toEqual(JSON.parse(compact));
      }),
      { numRuns: 500 },
    );
  });

  it('leaves alone what JavaScript writes in the same way', () => {
    expect(parseAsWritten('{"a":[1,2.5,"1.0"],"b":1.0}')).toEqual({
      a: [1, 2.5, '1.0'],
      b: new NumberAsWritten('1.0'),
    });
  });
});
