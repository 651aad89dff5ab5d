import type { PassNode } from '../plan.js';
import { handsOn, LEAF, type NodeKind } from './node-kind.js';

export const passKind: NodeKind<PassNode> = { ...LEAF, outcome: handsOn };
