import { NODE_KINDS } from '../nodes/node-kinds.js';
import type { NodeId, Plan, PlanNode, Scope, ScopeId } from '../plan.js';
import { missing } from '../unreachable.js';
import type { Findings } from './finding.js';
import { chainsOf, flatten, type TreeNames } from './tree-names.js';
import type { TreeNode } from './tree-reading.js';

/** Warns of nodes that no run can reach, once a scope; they are in no plan. */
export const warnUnreachable = (chain: readonly TreeNode[], findings: Findings): void => {
  const ending = chain.findIndex(endsBranch);
  const lost = ending === -1 ? undefined : chain[ending + 1];
  if (lost !== undefined) {
    const detail = `This is never reached: ${chain[ending]?.pointer ?? ''} always ends the branch or the run`;
    findings.warning(lost.pointer, detail);
  }
  for (const node of chain) for (const inner of chainsOf(node)) warnUnreachable(inner, findings);
};

/** Whether a token that enters the node never leaves it for the next one. */
const endsBranch = ({ own, children }: TreeNode): boolean => {
  if (own.type === 'unreadable') return false;
  const { endsSlot } = NODE_KINDS[own.type];
  // Of a choice one way alone is taken, and perhaps none.
  if (own.type === 'choice') return children.length > own.when.length && children.every(endsBranch);
  return endsSlot === 'always' || (endsSlot === 'with-inner' && children.some(endsBranch));
};

type Draft = { readonly nodes: (PlanNode | null)[]; readonly scopes: (Scope | null)[]; readonly names: TreeNames };
type Run = Pick<Plan, 'timeoutMs' | 'policies' | 'output'>;

/** The plan of a tree without errors. */
export const planTree = (root: TreeNode, names: TreeNames, run: Run): Plan => {
  const draft: Draft = { nodes: [], scopes: [], names };
  openScope(draft, reachable(flatten(root)), { container: null, slot: null });
  return {
    v: 1,
    nodes: draft.nodes.map((node) => node ?? missing('a node')),
    scopes: draft.scopes.map((scope) => scope ?? missing('a scope')),
    policies: run.policies,
    output: run.output,
    timeoutMs: run.timeoutMs,
  };
};

const reachable = (chain: readonly TreeNode[]): readonly TreeNode[] => {
  const ending = chain.findIndex(endsBranch);
  return ending === -1 ? chain : chain.slice(0, ending + 1);
};

/** Lays the nodes of a scope side by side, then what is inside them, so that `next` is known at once. */
const openScope = (draft: Draft, chain: readonly TreeNode[], owner: Omit<Scope, 'entry'>): ScopeId => {
  const scope = draft.scopes.push(null) - 1;
  const entry = draft.nodes.length;
  draft.scopes[scope] = { entry, ...owner };
  for (const _ of chain) draft.nodes.push(null);
  for (const [index, node] of chain.entries()) {
    const next = index + 1 < chain.length ? entry + index + 1 : null;
    draft.nodes[entry + index] = planNode(draft, node, { id: entry + index, scope, next });
  }
  return scope;
};

type Place = { readonly id: NodeId; readonly scope: ScopeId; readonly next: NodeId | null };

const planNode = (draft: Draft, node: TreeNode, place: Place): PlanNode => {
  const { own, input, output, as } = node;
  const name = draft.names.get(node) ?? missing('a name');
  const common = { id: place.id, name, scope: place.scope, next: place.next, input, output, as };
  if (own.type === 'unreadable') return missing('a node that could be read');
  const scopes = chainsOf(node).map((chain, slot) => openScope(draft, reachable(chain), { container: place.id, slot }));
  return { ...common, ...NODE_KINDS[own.type].plan(own, scopes) };
};
