import type { FailNode } from '../plan.js';
import { LEAF, type NodeKind } from './node-kind.js';

export const failKind: NodeKind<FailNode> = {
  ...LEAF,
  outcome: ({ error, cause }) => ({ error: { name: error, cause } }),
};
