import { parseJson } from '#domain';

export const NUMBER_CHARS_MAX = 1_000;
export const NUMBER_EXPONENT_MAX = 1_000;

const SHOWN_CHARS = 40;
/** Whole numbers of fewer digits are held by a double, all of them. */
const SAFE_DIGITS = 15;

/** Why a number of JSON is past what travels here, in words; `null`: it is not. */
export const numberFault = (source: string): string | null => {
  const shown = source.length <= SHOWN_CHARS ? source : `${source.slice(0, SHOWN_CHARS)}…`;
  if (source.length > NUMBER_CHARS_MAX) {
    return `The number ${shown} has ${source.length} characters, at most ${NUMBER_CHARS_MAX} are allowed: send it as a string`;
  }
  const mark = source.search(/[eE]/);
  if (mark === -1 || Math.abs(Number(source.slice(mark + 1))) <= NUMBER_EXPONENT_MAX) return null;
  return `The number ${shown} has an exponent past ±${NUMBER_EXPONENT_MAX}: send it as a string`;
};

/**
 * A number of JSON as RFC 8785 writes it, which is as ECMAScript does, but with all of its digits: two texts give the same one
 * exactly when they are the same number, whether or not a double holds it.
 */
export const canonicalNumber = (source: string): string => {
  const [, sign, whole = '', fraction = '', exponent = '0'] = PARTS.exec(source) ?? [];
  const all = whole + fraction;
  const zeros = all.length - all.replace(/^0+/, '').length;
  const digits = all.slice(zeros).replace(/0+$/, '');
  if (digits === '') return '0';
  // How many of the digits stand before the point; steps of Number::toString.
  const before = whole.length - zeros + Number(exponent);
  if (before > 0 && before <= 21) {
    if (digits.length <= before) return sign + digits.padEnd(before, '0');
    return `${sign}${digits.slice(0, before)}.${digits.slice(before)}`;
  }
  if (before > -6 && before <= 0) return `${sign}0.${'0'.repeat(-before)}${digits}`;
  const rest = digits.length === 1 ? '' : `.${digits.slice(1)}`;
  return `${sign}${digits[0]}${rest}e${before > 0 ? '+' : '-'}${Math.abs(before - 1)}`;
};
const PARTS = /^(-?)([0-9]+)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?$/;

/** Whether the double that JavaScript reads is this number: its shortest text says the same. */
export const isHeldByDouble = (source: string): boolean =>
  (source.length <= SAFE_DIGITS && !/[.eE]/.test(source)) || canonicalNumber(source) === String(Number(source));

/** A number as it was written, where a value goes on to be JSON again: `JSON.stringify` writes it digit by digit. */
export class NumberAsWritten {
  constructor(readonly source: string) {}

  toJSON(): unknown {
    return JSON.rawJSON(this.source);
  }
}

/** The value of a JSON text in which each number that JavaScript would write in another way is a `NumberAsWritten`. */
export const parseAsWritten = (text: string): unknown =>
  parseJson(text, (source) => (String(Number(source)) === source ? Number(source) : new NumberAsWritten(source)));

declare global {
  // In V8 since Node.js 21, not yet in the compiler's library.
  interface JSON {
    parse(text: string, reviver: (name: string, value: unknown, context: { source?: string }) => unknown): unknown;
    rawJSON(source: string): unknown;
  }
}
