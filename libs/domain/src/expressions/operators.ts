import { spend, spendText } from './work.js';
import { asText, ExpressionFailed, isList, isNumber, isSame, type Value } from './value.js';

type Operate = (left: Value, right: Value) => Value;

const arithmetic =
  (sign: string, operate: (left: number, right: number) => number): Operate =>
  (left, right) => {
    for (const side of [left, right])
      if (side !== undefined && !isNumber(side))
        throw new ExpressionFailed(`"${sign}" needs numbers, not ${shown(side)}`);
    return left === undefined || right === undefined ? undefined : operate(Number(left), Number(right));
  };

/** Of two numbers or two texts: whether the left is less, the same, more. */
type Order = { readonly isLess: boolean; readonly isSame: boolean; readonly isMore: boolean };

const comparison =
  (sign: string, holds: (order: Order) => boolean): Operate =>
  (left, right) => {
    for (const side of [left, right])
      if (side !== undefined && typeof side !== 'string' && typeof side !== 'number')
        throw new ExpressionFailed(`"${sign}" compares numbers or strings, not ${shown(side)}`);
    if (left === undefined || right === undefined) return undefined;
    if (typeof left === 'number' && typeof right === 'number') return holds(orderOf(left, right));
    if (typeof left === 'string' && typeof right === 'string') return holds(orderOf(left, right));
    throw new ExpressionFailed(`"${sign}" compares two of a kind, not ${shown(left)} and ${shown(right)}`);
  };

const orderOf = <Side extends number | string>(left: Side, right: Side): Order => {
  if (typeof left === 'string') spendText(left);
  return { isLess: left < right, isSame: left === right, isMore: left > right };
};

/** Those of two sides that are both evaluated. */
export const OPERATORS: ReadonlyMap<string, Operate> = new Map<string, Operate>([
  ['+', arithmetic('+', (left, right) => left + right)],
  ['-', arithmetic('-', (left, right) => left - right)],
  ['*', arithmetic('*', (left, right) => left * right)],
  ['/', arithmetic('/', (left, right) => left / right)],
  ['%', arithmetic('%', (left, right) => left % right)],
  ['=', (left, right) => left !== undefined && right !== undefined && isSame(left, right)],
  ['!=', (left, right) => left !== undefined && right !== undefined && !isSame(left, right)],
  ['<', comparison('<', ({ isLess }) => isLess)],
  ['<=', comparison('<=', ({ isLess, isSame }) => isLess || isSame)],
  ['>', comparison('>', ({ isMore }) => isMore)],
  ['>=', comparison('>=', ({ isMore, isSame }) => isMore || isSame)],
  [
    '&',
    (left, right) => {
      const text = asText(left) + asText(right);
      spendText(text);
      return text;
    },
  ],
  ['in', (left, right) => left !== undefined && right !== undefined && isIn(left, listOf(right))],
]);

/** By identity, as JSONata has it. */
const isIn = (value: Value, items: readonly Value[]): boolean =>
  items.some((item) => {
    if (typeof item === 'string') spendText(item);
    else spend(1);
    return item === value;
  });

const listOf = (value: Value): readonly Value[] => (isList(value) ? value : [value]);

/** In a sentence. */
export const shown = (value: Value): string => asText(value).slice(0, 100);
