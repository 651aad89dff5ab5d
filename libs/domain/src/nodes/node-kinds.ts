import type { NodeType, PlanNode } from '../plan.js';
import { choiceKind } from './choice.js';
import { failKind } from './fail.js';
import { mapKind } from './map.js';
import type { NodeKind } from './node-kind.js';
import { parallelKind } from './parallel.js';
import { passKind } from './pass.js';
import { repeatKind } from './repeat.js';
import { sequenceKind } from './sequence.js';
import { stepKind } from './step.js';
import { succeedKind } from './succeed.js';
import { waitKind } from './wait.js';

type KindsByType = { readonly [Type in NodeType]: NodeKind<Extract<PlanNode, { readonly type: Type }>> };

const BY_TYPE: KindsByType = {
  step: stepKind,
  sequence: sequenceKind,
  parallel: parallelKind,
  map: mapKind,
  choice: choiceKind,
  repeat: repeatKind,
  wait: waitKind,
  pass: passKind,
  succeed: succeedKind,
  fail: failKind,
};

/** Every kind of node: the compiler refuses the table while one is missing, or stands under another's type. */
export const NODE_KINDS: Readonly<Record<NodeType, NodeKind<PlanNode>>> = BY_TYPE;

/** What a node of a plan is to a run. */
export const nodeKindOf = (node: PlanNode): NodeKind<PlanNode> => NODE_KINDS[node.type];

/** Whether nodes of a type hold others: it ends as they do. */
export const isContainer = (type: NodeType): boolean => NODE_KINDS[type].awaits === 'slots';
