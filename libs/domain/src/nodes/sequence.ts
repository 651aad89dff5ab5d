import { required, type MemberTable } from '../definition/member-kind.js';
import { commonMembers, nodes, type CommonValues } from '../definition/node-members.js';
import { NULL_TEXT } from '../payload.js';
import { missing } from '../unreachable.js';
import type { SequenceNode } from '../plan.js';
import { LEAF, type NodeKind } from './node-kind.js';

type Values = CommonValues & { readonly steps: readonly unknown[] };

const MEMBERS: MemberTable<Values> = {
  ...commonMembers('sequence', 'Its nodes one after the other, each given the output of the one before.'),
  steps: required(
    nodes(() => null),
    'The nodes, in their order.',
    '"steps" is missing: an array of nodes',
  ),
};

const ONE = { count: 1, window: 1 };

/** One slot, the body: what flows out of its last node is the output. */
export const sequenceKind: NodeKind<SequenceNode> = {
  ...LEAF,
  members: MEMBERS,
  read: (written) => {
    const reader = written.members(MEMBERS);
    return { own: { type: 'sequence' }, children: written.children(reader.read('steps'), reader.at('steps')) };
  },
  chains: (steps) => [steps],
  plan: (own, [body = missing('the body of a sequence')]) => ({ ...own, body }),

  awaits: 'slots',
  endsSlot: 'with-inner',
  outcome: (_node, { slots }) => {
    const last = slots?.outputs[0] ?? null;
    return last === null ? { value: NULL_TEXT } : { revision: last.revision, pointer: last.pointer };
  },
  slots: () => ONE,
  scopeOfSlot: ({ body }) => body,
  scopes: ({ body }) => [body],
};
