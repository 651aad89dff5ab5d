import { NODE_KINDS } from '../nodes/node-kinds.js';
import { below, quoted, type Findings } from './finding.js';
import type { TreeNode } from './tree-reading.js';

/** Step keys go into headers, indexes and urls. */
const STEP_KEY_MAX = 1_024;

/** The name of each node that is entered as a step of its own. */
export type TreeNames = ReadonlyMap<TreeNode, string>;

/** A node as the nodes of its scope: a sequence with nothing of its own is its steps. */
export const flatten = (node: TreeNode): readonly TreeNode[] =>
  node.own.type === 'sequence' && [node.name, node.input, node.output, node.as].every((member) => member === null)
    ? node.children.flatMap(flatten)
    : [node];

/** The nodes below a node by the scopes that hold them. */
export const chainsOf = ({ own, children }: TreeNode): readonly (readonly TreeNode[])[] =>
  own.type === 'unreadable' ? [] : NODE_KINDS[own.type].chains(children).map((chain) => chain.flatMap(flatten));

/**
 * Names all nodes: as given, or `<type><n>`, where n counts the siblings of that type. Siblings are what shares a
 * container, flattened sequences and all branches of a parallel included: a step's key names no branch. A number
 * whose name was given to a sibling is passed over.
 */
export const nameNodes = (root: TreeNode, findings: Findings): TreeNames => {
  const names = new Map<TreeNode, string>();
  const nameSiblings = (siblings: readonly TreeNode[], containerChars: number): void => {
    const taken = givenNames(siblings, findings);
    const counts = new Map<string, number>();
    for (const node of siblings) {
      const { type } = node.own;
      const nth = (counts.get(type) ?? 0) + 1;
      const [name, number] = node.name === null ? freeName(type, nth, taken) : [node.name, nth];
      counts.set(type, number);
      taken.add(name);
      names.set(node, name);
      let chars = containerChars + name.length;
      if (chars > STEP_KEY_MAX) {
        findings.error(
          node.pointer,
          `The key of this step, its name behind those of its containers, takes more than ${STEP_KEY_MAX} bytes`,
        );
        // The keys below are longer still: that is said once, while the names there are looked at.
        chars = Number.NEGATIVE_INFINITY;
      }
      nameSiblings(node.children.flatMap(flatten), chars + 1);
    }
  };
  nameSiblings(flatten(root), 0);
  return names;
};

const givenNames = (siblings: readonly TreeNode[], findings: Findings): Set<string> => {
  const owners = new Map<string, TreeNode>();
  for (const node of siblings) {
    if (node.name === null) continue;
    const first = owners.get(node.name);
    if (first === undefined) owners.set(node.name, node);
    else findings.error(below(node.pointer, 'name'), doubled(node.name, first.pointer));
  }
  return new Set(owners.keys());
};

const doubled = (name: string, first: string): string =>
  `The name ${quoted(name)} is taken by ${first}: siblings, with all branches of a parallel and the steps of sequences without a name, need names of their own`;

const freeName = (type: string, nth: number, taken: ReadonlySet<string>): readonly [string, number] => {
  let number = nth;
  while (taken.has(`${type}${number}`)) number += 1;
  return [`${type}${number}`, number];
};
