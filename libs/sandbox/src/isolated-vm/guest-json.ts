// Functions of this file run inside an isolate: see guest-lock.ts.

/** JSON with the numbers of the design: an integer that a double does not hold is a BigInt, and leaves as its digits. */
export type GuestJson = {
  read: (text: string) => unknown;
  /** `leftOut`: what stands in no result, as functions do. */
  write: (value: unknown, leftOut: (value: object) => boolean) => string;
  /** Of what was thrown while it wrote: in words, when it is about what no JSON stands for. */
  whyNot: (thrown: unknown) => string | null;
};

export const guestJson = (): GuestJson => {
  const PARTS = /^(-?)([0-9]+)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?$/;
  /** A number that a double may not hold has so many digits, or an exponent. Some strings look alike: they only cost time. */
  const SUSPECT = /[0-9.]{16}|[0-9][eE]/;
  const EXPONENT_MAX = 2_000;

  /** The whole number that a text stands for; `null`: it has a fraction, or is past all bounds. */
  const wholeOf = (source: string): bigint | null => {
    const parts = PARTS.exec(source);
    if (parts === null) return null;
    const fraction = parts[3] ?? '';
    const all = `${parts[2]}${fraction}`;
    const digits = all.replace(/0+$/, '');
    if (digits === '') return 0n;
    const exponent = Number(parts[4] ?? 0) - fraction.length + all.length - digits.length;
    if (exponent < 0 || exponent > EXPONENT_MAX) return null;
    return BigInt(`${parts[1]}${digits}${'0'.repeat(exponent)}`);
  };

  const asMeant = (_name: string, value: unknown, { source }: { source?: string }): unknown => {
    if (typeof value !== 'number' || source === undefined) return value;
    if (source.length <= 15 && !/[eE]/.test(source)) return value;
    const whole = wholeOf(source);
    return whole === null || whole === wholeOf(String(value)) ? value : whole;
  };

  class Unwritable {
    readonly words: string;
    constructor(words: string) {
      this.words = words;
    }
  }

  const write: GuestJson['write'] = (value, leftOut) => {
    if (value === undefined) return 'null';
    const text: string | undefined = JSON.stringify(value);
    if (text === undefined) throw new Unwritable(`the result is a ${typeof value}`);
    // A null may have been a number that JSON has no word for, an empty object a promise, and a leading underscore a function.
    if (!text.includes('null') && !text.includes('{}') && !text.includes('"_')) return text;
    return JSON.stringify(value, (name, each: unknown) => {
      const where = name === '' ? 'the result' : `the result at "${name}"`;
      if (typeof each === 'number' && !Number.isFinite(each)) throw new Unwritable(`${where} is ${each}`);
      if (typeof each !== 'object' || each === null) return each;
      if (each instanceof Promise) throw new Unwritable(`${where} is a promise`);
      return leftOut(each) ? undefined : each;
    });
  };

  const read = (text: string): unknown => (SUSPECT.test(text) ? JSON.parse(text, asMeant) : JSON.parse(text));
  return { read, write, whyNot: (thrown) => (thrown instanceof Unwritable ? thrown.words : null) };
};
