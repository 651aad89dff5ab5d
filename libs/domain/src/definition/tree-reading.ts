import type { Given, NodeCommon, PlanNode, ScopeMember, StepTimeouts } from '../plan.js';
import type { RetryPolicy } from '../retry-policy.js';
import type { Findings } from './finding.js';
import type { CompileLimits } from './limits.js';
import type { MemberTable, Place } from './member-kind.js';
import type { MemberReader } from './member-reader.js';
import type { PolicyTable } from './policy-table.js';

/** A node as written, its own members read and every default put in; names and scopes come later. */
export type TreeNode = {
  readonly pointer: string;
  readonly name: string | null;
  readonly input: Given | null;
  readonly output: Given | null;
  readonly as: string | null;
  /** `unreadable`: there is a finding about it, so it is in no plan. */
  readonly own: OwnMembers<PlanNode> | { readonly type: 'unreadable' };
  /** The nodes below it, in the order in which they are written. */
  readonly children: readonly TreeNode[];
};

/** What a plan has of a node, beside what is common to all. */
export type Specific<Node> = Node extends PlanNode ? Omit<Node, keyof NodeCommon> : never;

/** The same without the scopes, which are known once the whole tree is. */
export type OwnMembers<Node> = Node extends PlanNode ? Omit<Node, keyof NodeCommon | ScopeMember> : never;

/** What the definition says for all its nodes, and how many have been read. */
export type TreeReading = {
  readonly findings: Findings;
  readonly limits: CompileLimits;
  /** The document once more, its numbers as they were written. */
  readonly written: unknown;
  /** `null`: none is given; `undefined`: it is wrong, so that relative urls are not to blame. */
  readonly target: string | null | undefined;
  readonly retry: RetryPolicy;
  readonly timeouts: StepTimeouts;
  /** What the steps read so far are tried by. */
  readonly policies: PolicyTable;
  nodes: number;
};

/** A node as it is written, for its kind to read. */
export type WrittenNode = {
  readonly reading: TreeReading;
  /** Its members by the table of its kind; those that the table does not know are found. */
  members<Values>(table: MemberTable<Values>): MemberReader<Values>;
  /** The nodes of a list among its members. */
  children(list: readonly unknown[] | undefined, place: Place): readonly TreeNode[];
  /** The node that is a member, none where there is none. */
  child(value: unknown, place: Place): readonly TreeNode[];
};
