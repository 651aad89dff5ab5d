import type { RunLimits } from '../commands.js';
import type { ErrorInfo, StepCompleted, StepEntered } from '../events.js';
import type { PlanNode, ScopeId } from '../plan.js';
import type { Step } from '../run.js';
import { missing } from '../unreachable.js';

/** What comes of a node that waits for nothing more: an output, or an error that fails it. */
export type Outcome = StepCompleted['output'] | { readonly error: ErrorInfo };

/**
 * What a kind of node is to a run. A container gives tokens to its slots: each slot runs one of its scopes, and when all
 * have ended the container has its outcome. `awaits` is read by `evolve`, which knows the kind from the event and no plan.
 */
export type NodeKind<Node> = {
  /** What an entered node waits for before `outcome` is asked; the outcome of an `attempt` is its answer. */
  readonly awaits: 'attempt' | 'nothing' | 'slots';
  /** Whether its token ends here instead of going on: `with-inner` when the token of its one slot did. */
  readonly endsSlot: 'never' | 'always' | 'with-inner';
  outcome(node: Node, step: Step, limits: RunLimits): Outcome;
  /** How many slots it has, and how many of them are open at one time. */
  slots(node: Node): StepEntered['slots'];
  /** The scope that runs in a slot. */
  scopeOfSlot(node: Node, slot: number): ScopeId;
  /** All its scopes, in the order in which they are shown. */
  scopes(node: Node): readonly ScopeId[];
  /** Whether a failed slot counts as ended, and the others go on. */
  goesOn(node: Node): boolean;
  request(node: Node): StepEntered['request'];
  /** How long it may be open. */
  limitMs(node: Node): number | null;
};

const NO_SCOPES: readonly ScopeId[] = [];

/** A node that holds no others and asks nothing of the world. */
export const LEAF = {
  awaits: 'nothing',
  endsSlot: 'never',
  slots: () => null,
  scopeOfSlot: (node: PlanNode, slot: number): ScopeId =>
    missing(`slot ${slot} of ${node.name}, which holds no scopes`),
  scopes: () => NO_SCOPES,
  goesOn: () => false,
  request: () => null,
  limitMs: () => null,
} as const;

/** What the node was given flows on. */
export const handsOn = (_node: unknown, { inputRef: { revision, pointer } }: Step): Outcome => ({ revision, pointer });
