import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { jsonTexts } from '../../runtime/testing/json-texts.js';
import { endOfValue } from './json-text.js';

describe('endOfValue', () => {
  it('finds where a value ends in the midst of a list', () => {
    fc.assert(
      fc.property(fc.array(jsonTexts, { minLength: 1 }), (given) => {
        const text = `[${given.map(({ compact }) => compact).join()}]`;
        const found: string[] = [];
        for (let at = 1; at < text.length;) {
          const end = endOfValue(text, at);
          found.push(text.slice(at, end));
          at = end + 1;
        }
        expect(found).toEqual(given.map(({ compact }) => compact));
      }),
      { numRuns: 300 },
    );
  });
});
