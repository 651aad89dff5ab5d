import { describe, expect, it } from '@jest/globals';
import { payloadOf } from '../payload.js';
import { evaluateHere } from './evaluate.js';
import { parse } from './parse.js';

const numbers = (length: number): unknown => Array.from({ length }, (_, index) => index);

const KNOWN = new Map(
  Object.entries({
    list: numbers(300),
    many: numbers(20_000),
    long: `${'x'.repeat(200_000)}a`,
    other: `${'x'.repeat(200_000)}b`,
  }).map(([name, value]) => [name, payloadOf(JSON.stringify(value))]),
);

const doubled = (start: string, twice: string, use: string): string =>
  `($v := ${start}; ${`$v := ${twice}; `.repeat(60)}${use})`;

const valuesOf = (source: string) =>
  evaluateHere([{ language: 'jsonata', source }], 'all', (name) => KNOWN.get(name) ?? null);

describe('an expression that ends, but not soon', () => {
  it.each([
    ['goes over a list in a list in a list', '$list.($list.($list.($list.($list))))'],
    ['picks of a list in a list', '$list[$list[$list[$list[$ = 0] = 1] = 2] = 3]'],
    ['doubles a list', doubled('[1]', '[$v, $v]', '$v[0]')],
    ['doubles a text', doubled('"abc"', '$v & $v', '$v = "abc"')],
    ['prints the same object again and again', doubled('{}', '{ "a": $v, "b": $v }', '$v')],
    ['puts it into a text', doubled('{}', '{ "a": $v, "b": $v }', '"" & $v')],
    [
      'compares two of them',
      doubled('{}', '{ "a": $v, "b": $v }', `${doubled('{}', '{ "a": $v, "b": $v }', '$v')} = $v`),
    ],
    ['asks for the truth of lists in lists', doubled('[0]', '[[$v], [$v]]', '$v ? 1 : 2')],
    ['looks a name up in lists in lists', doubled('[0]', '[[$v], [$v]]', '$v.a')],
    ['compares lists in lists', `${doubled('[0]', '[[$v], [$v]]', '$v')} = ${doubled('[0]', '[[$v], [$v]]', '$v')}`],
    ['prints lists in lists', doubled('[0]', '[[$v], [$v]]', '$v')],
    ['compares long texts', '$list.($list.($long = $other))'],
    ['orders long texts', '$list.($list.($long <= $other))'],
    ['seeks a long text', '$list.($list.($long in $other))'],
    ['prints a long text again and again', '$list.($list.$long)'],
    ['prints a long name again and again', '$list.($list.{ $long: 1 })'],
    ['seeks in a long list for each of its items', '$many.("x" in $many)'],
    ['picks each of a long list for each of its items', '$many[$many]'],
  ])('%s: it fails by name within its bounds', (_, source) => {
    const before = performance.now();
    expect(valuesOf(source)).toEqual({
      error: { name: 'Stepwell.ScriptTimeout', cause: 'it takes more than 1000000 steps of evaluation' },
    });
    expect(performance.now() - before).toBeLessThan(10_000);
  });

  it('has all its work for each evaluation anew', () => {
    const most = '$list.($list.($ = 0))';
    for (let round = 0; round < 5; round++) expect(valuesOf(`(${most}; 1)`)).toEqual({ values: ['1'] });
  });
});

describe('an expression that is too much to parse', () => {
  const nested = (sign: string, times: number): string => {
    let source = '$a';
    for (let time = 0; time < times; time++) source = `(${source} ${sign} 1)`;
    return source;
  };

  it.each([
    ['defaults within defaults', nested('??', 30)],
    ['the same in its short form', nested('?:', 30)],
    ['with a comment in between', nested('/* ( */ ??', 30)],
    ['with a bracket in a text', nested('& ")" ??', 30)],
    ['in filters', '$a['.repeat(30) + '1' + ' ?? 1] ?? 1'.repeat(30)],
    ['in what a path goes on from', nested('?? 2).x + (1', 30)],
  ])('%s: is not begun', (_, source) => {
    const before = performance.now();
    expect(parse(source)).toEqual({ flaw: expect.stringContaining('?? and ?: stand within each other'), at: null });
    expect(performance.now() - before).toBeLessThan(5_000);
  });

  it.each([
    ['brackets', '('.repeat(3_000) + '1' + ')'.repeat(3_000)],
    ['a sum', Array(5_000).fill('1').join('+')],
    ['lists', '['.repeat(1_000) + '1' + ']'.repeat(1_000)],
  ])('%s that go too deep are found', (_, source) => {
    expect(parse(source)).toEqual({ flaw: 'it is nested too deep', at: null });
  });

  it.each([
    ['a chain of defaults', Array(40).fill('$input.name').join(' ?? ')],
    [
      'members with defaults',
      `{ ${Array.from({ length: 40 }, (_, at) => `"m${at}": ($a ?? 1) * ($b ?: 2)`).join(', ')} }`,
    ],
    ['defaults within defaults, as people write them', nested('??', 5)],
    ['a text of many parts', Array(300).fill('$a').join(' & ')],
  ])('%s is parsed', (_, source) => {
    expect(parse(source)).toEqual({ syntax: expect.anything() });
  });
});
