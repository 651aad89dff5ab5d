import { commonMembers } from '../definition/node-members.js';
import type { SucceedNode } from '../plan.js';
import { handsOn, LEAF, NONE, type NodeKind } from './node-kind.js';

const MEMBERS = commonMembers('succeed', 'Ends the branch that it stands in, or else the run, as completed.');

/** Ends the nearest slot of a container that has several, or the run. */
export const succeedKind: NodeKind<SucceedNode> = {
  ...LEAF,
  members: MEMBERS,
  read: (written) => {
    written.members(MEMBERS);
    return { own: { type: 'succeed' }, children: NONE };
  },
  plan: (own) => own,

  endsSlot: 'always',
  outcome: handsOn,
};
