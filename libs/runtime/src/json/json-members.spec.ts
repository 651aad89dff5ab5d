import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { jsonTexts } from '../../testing/json-texts.js';
import { memberTexts } from './json-members.js';

describe('memberTexts', () => {
  it('cuts out each member as it stands, whatever the others hold', () => {
    const name = fc.string().map((text) => JSON.stringify(text));
    const members = fc.uniqueArray(fc.tuple(name, jsonTexts), { maxLength: 8, selector: ([text]) => text });
    fc.assert(
      fc.property(members, (given) => {
        const object = `{${given.map(([text, value]) => `${text}:${value.compact}`).join()}}`;
        const expected = given.map(([text, value]) => [JSON.parse(text), value.compact]);
        expect([...memberTexts(object)]).toEqual(expected);
      }),
      { numRuns: 500 },
    );
  });

  it.each(['{"a":"\\\\","b":1}', '{"a":"\\\\\\"","b":1}', '{"a":"}],","b":1}', '{"a":[{"b":["]"]}],"b":1}'])(
    'is not misled by what stands in %s',
    (object) => expect(memberTexts(object).get('b')).toBe('1'),
  );
});
