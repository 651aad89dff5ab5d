import { describe, expect, it } from '@jest/globals';
import { parsePreferWait } from './prefer.js';

describe('Prefer: wait', () => {
  it.each<[string | undefined, number | null]>([
    ['wait=5', 5],
    ['wait=61', 60],
    ['wait=999999999999', 60],
    ['Wait = "0"', 0],
    ['respond-async,wait=7', 7],
    ['wait=7; x="a, wait=9"', 7],
    ['note="a, wait=7", wait=8, wait=9', 8],
    [undefined, null],
    ['wait=-1', null],
    ['wait=abc', null],
    ['wait=1.5', null],
    ['wait=', null],
    ['wait', null],
    ['waiting=3', null],
    ['respond-async', null],
  ])('of %s is %s', (header, seconds) => expect(parsePreferWait(header)).toBe(seconds));
});
