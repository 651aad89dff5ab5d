import { below, quoted } from './finding.js';
import { CONTROL, kindOf, refuse, type Kind } from './member-kind.js';
import { isRecord } from './record.js';

const TAG_VALUE_CHARS_MAX = 255;
/** What a start takes as well, and a list can be asked for as name=value. For matchers with the flag `u`. */
export const TAG_NAME_PATTERN = `^[^=${CONTROL}]{1,64}$`;
export const TAG_VALUE_PATTERN = `^[^${CONTROL}]{0,${TAG_VALUE_CHARS_MAX}}$`;
const TAG_NAME = new RegExp(TAG_NAME_PATTERN, 'u');
const TAG_VALUE = new RegExp(TAG_VALUE_PATTERN, 'u');

/** Labels, by which lists of runs can be asked for. */
export const tags: Kind<Readonly<Record<string, string>>> = {
  schema: ({ tagsMax }) => ({
    type: 'object',
    maxProperties: tagsMax,
    propertyNames: { pattern: TAG_NAME_PATTERN },
    additionalProperties: { type: 'string', pattern: TAG_VALUE_PATTERN },
  }),
  read: (value, place) => {
    if (!isRecord(value)) return refuse(place, `This must be an object, not ${kindOf(value)}`);
    const given = Object.entries(value);
    const { tagsMax } = place.limits;
    if (given.length > tagsMax) refuse(place, `There are ${given.length} tags, at most ${tagsMax} are allowed`);
    const read: [string, string][] = [];
    for (const [name, tag] of given) {
      const at = { ...place, pointer: below(place.pointer, name) };
      if (!TAG_NAME.test(name)) refuse(at, `${quoted(name)} is no name of a tag: 1 to 64 characters, no "="`);
      else if (isTag(tag)) read.push([name, tag]);
      else
        refuse(
          at,
          `The value of a tag must be a string of at most ${TAG_VALUE_CHARS_MAX} characters, not ${shown(tag)}`,
        );
    }
    return Object.fromEntries(read);
  },
};

const isTag = (value: unknown): value is string => typeof value === 'string' && TAG_VALUE.test(value);

const shown = (value: unknown): string => (typeof value === 'string' ? 'this one' : kindOf(value));
