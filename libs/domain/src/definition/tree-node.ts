import { NODE_KINDS } from '../nodes/node-kinds.js';
import { NODE_TYPES, type NodeType } from '../plan.js';
import { below, quoted } from './finding.js';
import { nearestName } from './known-name.js';
import { kindOf, refuse, type Place } from './member-kind.js';
import { MemberReader } from './member-reader.js';
import { LATER_NODE_MEMBERS, LATER_TYPES } from './node-members.js';
import { isRecord } from './record.js';
import type { TreeNode, TreeReading, WrittenNode } from './tree-reading.js';

/** What every node may have: a pass has no more. */
const COMMON = NODE_KINDS.pass.members;

const UNREADABLE = { own: { type: 'unreadable' }, children: [] } as const;

/** Reads a node and all below it. `depth` counts from 1; `null` stands for what is no node at all. */
export const readNode = (
  value: unknown,
  { pointer, depth }: { readonly pointer: string; readonly depth: number },
  reading: TreeReading,
): TreeNode | null => {
  const { findings, limits } = reading;
  reading.nodes += 1;
  if (reading.nodes > limits.planNodesMax) {
    // Said once: the rest is not read.
    if (reading.nodes === limits.planNodesMax + 1)
      findings.error(pointer, `A plan has at most ${limits.planNodesMax} nodes, this is one more`);
    return null;
  }
  if (depth > limits.nestingMax) {
    findings.error(pointer, `Nodes are nested more than ${limits.nestingMax} levels deep`);
    return null;
  }
  const place = { pointer, label: 'This', findings, limits, written: reading.written };
  if (!isRecord(value)) {
    refuse(place, `This must be an object, not ${kindOf(value)}`);
    return null;
  }
  const type = readType(value, place);
  const written: WrittenNode = {
    reading,
    members: (table) => {
      const reader = MemberReader.over(value, place, table);
      reader.check(LATER_NODE_MEMBERS);
      return reader;
    },
    children: (list, at) => readChildren(list, at, depth, reading),
    child: (node, at) => {
      if (node === undefined || reading.nodes > limits.planNodesMax) return [];
      const child = readNode(node, { pointer: at.pointer, depth: depth + 1 }, reading);
      return child === null ? [] : [child];
    },
  };
  const { own, children } = type === null ? UNREADABLE : NODE_KINDS[type].read(written);
  const common = MemberReader.over(value, place, COMMON);
  common.read('comment');
  return {
    pointer,
    name: common.readOr('name', null),
    input: common.readOr('input', null),
    output: common.readOr('output', null),
    as: common.readOr('as', null),
    own,
    children,
  };
};

/** The type of a node, or the one that was meant, so that a misspelt type hides nothing below it; `null`: no guess. */
const readType = (value: Readonly<Record<string, unknown>>, place: Place): NodeType | null => {
  const given = value['type'];
  const known = NODE_TYPES.find((type) => type === given);
  if (known !== undefined) return known;
  const at = { ...place, pointer: below(place.pointer, 'type') };
  if (typeof given === 'string' && LATER_TYPES.includes(given)) {
    refuse(at, `Nodes of type "${given}" are not available in this version`);
    return null;
  }
  const meant = meantType(value);
  if (given === undefined) {
    const suggestion = meant === null ? null : `type: ${meant}`;
    refuse(place, `A node needs a "type": one of ${NODE_TYPES.join(', ')}`, suggestion);
  } else {
    const shown = typeof given === 'string' ? quoted(given) : kindOf(given);
    refuse(at, `There is no node of type ${shown}; known are ${NODE_TYPES.join(', ')}`, meant);
  }
  return meant;
};

/** By the nearest name, else by a member that only one type has. */
const meantType = (value: Readonly<Record<string, unknown>>): NodeType | null => {
  const given = value['type'];
  const nearest = typeof given === 'string' ? nearestName(given, NODE_TYPES) : null;
  const byName = NODE_TYPES.find((type) => type === nearest);
  if (byName !== undefined) return byName;
  const members = Object.keys(value).filter((member) => !Object.hasOwn(COMMON, member));
  return NODE_TYPES.find((type) => members.some((member) => Object.hasOwn(NODE_KINDS[type].members, member))) ?? null;
};

const readChildren = (
  list: readonly unknown[] | undefined,
  { pointer }: Place,
  depth: number,
  reading: TreeReading,
): readonly TreeNode[] => {
  const children: TreeNode[] = [];
  for (const [index, value] of (list ?? []).entries()) {
    if (reading.nodes > reading.limits.planNodesMax) break;
    const child = readNode(value, { pointer: below(pointer, index), depth: depth + 1 }, reading);
    if (child !== null) children.push(child);
  }
  return children;
};
