import type { SucceedNode } from '../plan.js';
import { handsOn, LEAF, type NodeKind } from './node-kind.js';

/** Ends the nearest slot of a container that has several, or the run. */
export const succeedKind: NodeKind<SucceedNode> = { ...LEAF, endsSlot: 'always', outcome: handsOn };
