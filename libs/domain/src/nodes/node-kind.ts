import type { RunLimits } from '../commands.js';
import type { Evaluation } from '../evaluation.js';
import type { ErrorInfo, StepCompleted, StepEntered, ValuesComputed } from '../events.js';
import type { MemberTable } from '../definition/member-kind.js';
import type { CommonValues } from '../definition/node-members.js';
import type { OwnMembers, Specific, TreeNode, WrittenNode } from '../definition/tree-reading.js';
import type { JsonText, PayloadRef } from '../payload.js';
import type { Expression, Plan, PlanNode, ScopeId } from '../plan.js';
import type { Step } from '../run.js';
import { missing } from '../unreachable.js';

/** What comes of a node that waits for nothing more: an output, before any mapper, or an error that fails it. */
export type Outcome = StepCompleted['output'] | { readonly error: ErrorInfo };

/** `first-true`: those after the first that holds have no value. */
export type Asks = Pick<Evaluation, 'expressions' | 'mode'>;
export type Valuing = { readonly atMs: number; readonly limits: RunLimits; readonly fromSlot: number | null };
/** What is not said is none of its kind's. */
export type Values = Partial<Omit<ValuesComputed, 'type' | 'step'>> | { readonly error: ErrorInfo };

/**
 * What a kind of node is: how a definition in the tree format says it, and what it is to a run. A container gives tokens
 * to its slots: each slot runs one of its scopes, and when all have ended the container has its outcome.
 */
export type NodeKind<Node> = {
  /** What may be written of it: the compiler reads by this, and the schema is made of it. */
  readonly members: MemberTable<CommonValues>;
  /** Its own members as written, with all defaults put in. */
  read(written: WrittenNode): { readonly own: OwnMembers<Node>; readonly children: readonly TreeNode[] };
  /** The nodes below it by the scopes that hold them, each in the order in which they run. */
  chains(children: readonly TreeNode[]): readonly (readonly TreeNode[])[];
  /** What a plan has of it; `scopes` are those of `chains`. */
  plan(own: OwnMembers<Node>, scopes: readonly ScopeId[]): Specific<Node>;

  /** What an entered node waits for before `outcome` is asked; of an `attempt` for its answer. */
  readonly awaits: 'attempt' | 'nothing' | 'slots' | 'time';
  /** Of a container: whether a slot that ends lets the next one open, or each is decided on (`until`). */
  readonly opens: 'as they end' | 'one by one';
  /** Whether its token ends here instead of going on: `with-inner` when the token of its one slot does. */
  readonly endsSlot: 'never' | 'always' | 'with-inner';
  outcome(node: Node, step: Step, limits: RunLimits): Outcome;
  /** What an entered step needs the values of before it begins, an empty list too; `null`: it begins as it is entered. */
  asks(node: Node): Asks | null;
  /** What these values make of it. */
  values(node: Node, step: Step, values: readonly (JsonText | null)[], context: Valuing): Values;
  /** Asked after each slot of one that opens them one by one: when it holds, no further slot opens. */
  until(node: Node): Expression | null;
  /** How many slots it has, and how many of them are open at one time. */
  slots(node: Node): StepEntered['slots'];
  /** The scope that runs in a slot. */
  scopeOfSlot(node: Node, slot: number): ScopeId;
  /** What runs in a slot is given. */
  inputOfSlot(step: Step, slot: number): PayloadRef;
  /** Whether the keys of the steps in a slot say which one it is. */
  readonly numbersSlots: boolean;
  /** Whether what is named in a slot (`as`) is known there alone. */
  readonly keepsNames: boolean;
  /** All its scopes, in the order in which they are shown. */
  scopes(node: Node): readonly ScopeId[];
  /** Whether a failed slot counts as ended, and the others go on. */
  goesOn(node: Node): boolean;
  request(node: Node): StepEntered['request'];
  /** How long it may be open, and for how long after its entry a further attempt may start. */
  limits(node: Node, plan: Plan): { readonly openMs: number | null; readonly attemptsMs: number | null };
};

/** Neither nodes nor scopes. */
export const NONE: readonly never[] = [];

const NO_LIMITS = { openMs: null, attemptsMs: null };

/** A node that holds no others and asks nothing of the world. */
export const LEAF = {
  chains: () => NONE,
  awaits: 'nothing',
  endsSlot: 'never',
  opens: 'as they end',
  asks: () => null,
  values: () => ({}),
  until: () => null,
  inputOfSlot: ({ inputRef: { revision, pointer } }: Step) => ({ revision, pointer }),
  numbersSlots: false,
  keepsNames: false,
  slots: () => null,
  scopeOfSlot: (node: PlanNode, slot: number): ScopeId =>
    missing(`slot ${slot} of ${node.name}, which holds no scopes`),
  scopes: () => NONE,
  goesOn: () => false,
  request: () => null,
  limits: () => NO_LIMITS,
} as const;

/** What the node was given flows on. */
export const handsOn = (_node: unknown, { inputRef: { revision, pointer } }: Step): Outcome => ({ revision, pointer });
