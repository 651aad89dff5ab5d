import { commonMembers } from '../definition/node-members.js';
import type { PassNode } from '../plan.js';
import { handsOn, LEAF, NONE, type NodeKind } from './node-kind.js';

const MEMBERS = commonMembers('pass', 'Does nothing: what it is given flows on, unless it has an output of its own.');

export const passKind: NodeKind<PassNode> = {
  ...LEAF,
  members: MEMBERS,
  read: (written) => {
    written.members(MEMBERS);
    return { own: { type: 'pass' }, children: NONE };
  },
  plan: (own) => own,

  outcome: handsOn,
};
