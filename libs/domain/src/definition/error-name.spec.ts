import { describe, expect, it } from '@jest/globals';
import { compileTree } from './compile-tree.js';

const takes = (root: object): boolean => compileTree({ target: 'http://app', root }).plan !== null;
const asName = (error: string) => takes({ type: 'fail', error });
const asPattern = (error: string) => takes({ type: 'step', url: '/', retry: { retryOn: [error] } });

describe('the name of an error', () => {
  it.each([
    ['one character', 'x', true, true],
    ['255 characters', 'x'.repeat(255), true, true],
    ['256 characters', 'x'.repeat(256), false, false],
    ['255 characters outside the basic plane', '😀'.repeat(255), true, true],
    ['none', '', false, false],
    ['a space inside', 'Card declined', true, true],
    ['a space before', ' x', false, false],
    ['a space behind', 'x ', false, false],
    ['a line end', 'a\nb', false, false],
    ['a star at the end', 'HTTP.*', false, true],
    ['a star behind 254 characters', `${'x'.repeat(254)}*`, false, true],
    ['a star behind 255 characters', `${'x'.repeat(255)}*`, false, false],
    ['a star alone', '*', false, true],
    ['a star inside', 'a*b', false, false],
    ['two stars', '**', false, false],
    ['an expression', '{% $x %}', false, false],
  ])('of %s', (_, error, named, matched) => {
    expect({ named: asName(error), matched: asPattern(error) }).toEqual({ named, matched });
  });
});
