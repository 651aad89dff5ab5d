import { NULL_TEXT } from '../payload.js';
import type { SequenceNode } from '../plan.js';
import { LEAF, type NodeKind } from './node-kind.js';

const ONE = { count: 1, window: 1 };

/** One slot, the body: what flows out of its last node is the output. */
export const sequenceKind: NodeKind<SequenceNode> = {
  ...LEAF,
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
