import { parseJson } from '../parse-json.js';
import { spend, spendText } from './work.js';

/** A value of an expression; `undefined` is JSONata's nothing. */
export type Value = undefined | null | boolean | number | bigint | string | readonly Value[] | ObjectValue;
export type ObjectValue = { readonly [name: string]: Value };

/** The expression fails, by a sentence for its author. */
export class ExpressionFailed extends Error {}

/** What a path has found: of one value it is that value, of none it is nothing. */
export class Sequence extends Array<Value> {
  /** One value stays a list (`[]` in the path). */
  keepSingleton = false;

  static of1(value: Value): Sequence {
    const sequence = new Sequence();
    sequence.push(value);
    return sequence;
  }
}

/** An array that a step of a path has constructed: it is not taken apart into the path. */
export class Constructed extends Array<Value> {}

export const isList = (value: Value): value is readonly Value[] => Array.isArray(value);

export const isObject = (value: Value): value is ObjectValue =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Not one that only a computation can give. */
export const isNumber = (value: Value): value is number => {
  if (typeof value !== 'number' || Number.isNaN(value)) return false;
  if (!Number.isFinite(value)) throw new ExpressionFailed('a number is out of range');
  return true;
};

/** JSONata's rule of truth. */
export const isTruthy = (value: Value): boolean => {
  spend(1);
  if (isList(value)) {
    const [first] = value;
    return value.length === 1 ? isTruthy(first) : value.some(isTruthy);
  }
  if (isObject(value)) return Object.keys(value).length > 0;
  if (typeof value === 'number') return isNumber(value) && value !== 0;
  return Boolean(value);
};

/** To go through the members of an object takes longer than a list. */
const OBJECT_WORK = 4;

export const isSame = (one: Value, other: Value): boolean => {
  if (typeof one === 'string') spendText(one);
  else spend(1);
  if (one === other) return true;
  if (isList(one))
    return isList(other) && one.length === other.length && one.every((item, at) => isSame(item, other[at]));
  if (!isObject(one) || !isObject(other)) return false;
  spend(OBJECT_WORK);
  const names = Object.keys(one);
  return (
    names.length === Object.keys(other).length &&
    names.every((name) => Object.hasOwn(other, name) && isSame(one[name], other[name]))
  );
};

/** In a text: of a fraction fifteen digits, of what is no string its JSON. */
export const asText = (value: Value): string => {
  if (value === undefined) return '';
  if (typeof value === 'string') return value;
  return jsonOf(value, (number) => (Number.isInteger(number) ? number : Number(number.toPrecision(15)))) ?? '';
};

/** An integer that no double holds is a BigInt: its digits are what it is. */
const LONG_INTEGER = /\d{16}/;

export const valueOfJson = (text: string): Value => {
  const value = parseJson(text, LONG_INTEGER.test(text) ? numberOf : null);
  return isValue(value) ? value : undefined;
};

/** What JSON holds is one. */
const isValue = (_value: unknown): _value is Value => true;

const numberOf = (source: string): number | bigint => {
  const value = Number(source);
  if (Number.isSafeInteger(value)) return value;
  const integer = integerOf(source);
  return integer === null || (Number.isFinite(value) && integer === BigInt(Math.trunc(value))) ? value : integer;
};

/** `9007199254740993`, and `9007199254740993.0` too; `null`: no integer, or one that is written with an exponent. */
const integerOf = (source: string): bigint | null => {
  const { whole } = /^(?<whole>-?\d+)(?:\.0*)?$/.exec(source)?.groups ?? {};
  return whole === undefined ? null : BigInt(whole);
};

/** The JSON text; `undefined` of nothing. */
export const jsonOf = (value: Value, round: (number: number) => number = (number) => number): string | undefined => {
  if (typeof value === 'string') spendText(value);
  else spend(1);
  switch (typeof value) {
    case 'undefined':
      return undefined;
    case 'bigint':
      return value.toString();
    case 'number':
      if (!Number.isFinite(value)) throw new ExpressionFailed('a number is out of range');
      return JSON.stringify(round(value));
    case 'string':
    case 'boolean':
      return JSON.stringify(value);
    default:
      break;
  }
  if (value === null) return 'null';
  if (isList(value)) return `[${value.map((item) => jsonOf(item, round) ?? 'null').join(',')}]`;
  spend(OBJECT_WORK);
  const members: string[] = [];
  for (const [name, member] of Object.entries(value)) {
    spendText(name);
    const text = jsonOf(member, round);
    if (text !== undefined) members.push(`${JSON.stringify(name)}:${text}`);
  }
  return `{${members.join(',')}}`;
};
