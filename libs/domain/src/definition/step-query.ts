import type { Given, StepNode } from '../plan.js';
import { below, quoted } from './finding.js';
import { given } from './given.js';
import { kindOf, refuse, type Kind } from './member-kind.js';
import { isRecord } from './record.js';

const MEMBERS_MAX = 100;

/** Names and values, each value a constant or computed. */
export const queryMembers: Kind<NonNullable<StepNode['query']>> = {
  schema: (limits) => ({ type: 'object', maxProperties: MEMBERS_MAX, additionalProperties: given.schema(limits) }),
  read: (value, place) => {
    if (!isRecord(value)) return refuse(place, `${place.label} must be an object, not ${kindOf(value)}`);
    const members = Object.entries(value);
    if (members.length > MEMBERS_MAX)
      return refuse(place, `${place.label} has at most ${MEMBERS_MAX} members, not ${members.length}`);
    const read: [string, Given][] = [];
    for (const [name, member] of members) {
      const at = { ...place, pointer: below(place.pointer, name), label: quoted(name) };
      const one = given.read(member, at);
      if (one !== undefined) read.push([name, one]);
    }
    return Object.fromEntries(read);
  },
};
