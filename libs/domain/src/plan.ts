import type { JsonText } from './payload.js';
import type { RetryPolicy } from './retry-policy.js';

/** The types of nodes, in the order in which they are shown. */
export const NODE_TYPES = [
  'step',
  'sequence',
  'parallel',
  'map',
  'choice',
  'repeat',
  'wait',
  'pass',
  'succeed',
  'fail',
] as const;
export type NodeType = (typeof NODE_TYPES)[number];

/** Index of a node in `Plan.nodes`. */
export type NodeId = number;
/** Index of a scope in `Plan.scopes`; scope 0 is the root. */
export type ScopeId = number;
/** Index of a policy in `Plan.policies`. */
export type PolicyId = number;

/**
 * The executable form that every definition format compiles to: nested scopes of nodes. A scope has one entry and,
 * while a run is in it, exactly one token; a node with `next: null` ends its scope. Containers own scopes. A plan is
 * plain JSON, stored once (under the hash of what is stored) and never changed.
 */
export type Plan = {
  readonly v: 1;
  readonly nodes: readonly PlanNode[];
  readonly scopes: readonly Scope[];
  /** By which steps are tried, each once however many steps it holds for. */
  readonly policies: readonly Policy[];
  /** What the output of a run is, instead of what its last node gave. */
  readonly output: Given | null;
  /** How long a run may take in all; `null` means no limit. */
  readonly timeoutMs: number | null;
};

export type Scope = {
  readonly entry: NodeId;
  /** The container that owns this scope; `null` for the root. */
  readonly container: NodeId | null;
  /** Which slot of its container it runs in; `null` for the root. */
  readonly slot: number | null;
};

/** What every node has. */
export type NodeCommon = {
  readonly id: NodeId;
  /** Given, or `<type><n>`; unique within its container, flattened sequences and all branches of a parallel included. */
  readonly name: string;
  readonly scope: ScopeId;
  readonly next: NodeId | null;
  /** What the node is given instead of what flows in. */
  readonly input: Given | null;
  /** What flows out instead of the node's own output. */
  readonly output: Given | null;
  /** The name under which what flows out is kept for the nodes that follow. */
  readonly as: string | null;
};

/** A constant, or what a run computes when it comes there. */
export type Given = JsonText | Computed;

/** JSON whose strings hold expressions, `{% … %}`, or a script. */
export type Computed = { readonly template: JsonText } | { readonly js: string };

export const isComputed = (given: Given | null): given is Computed => typeof given === 'object' && given !== null;

/** Code of a definition that gives one value. */
export type Expression = { readonly language: 'jsonata' | 'js'; readonly source: string };

export type StepNode = NodeCommon & {
  readonly type: 'step';
  /** Absolute, http or https, without credentials or fragment; with expressions in it (`{% … %}`) a template of such a one. */
  readonly url: string;
  /** What a url is put behind that is relative once it is computed. `null`: nothing, or there is no such url. */
  readonly target: string | null;
  /** Members of the query, put behind what the url has. */
  readonly query: Readonly<Record<string, Given>> | null;
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Lower-case names, none twice, none that Stepwell sets itself. */
  readonly headers: Readonly<Record<string, string>>;
  /** `application/json` unless the definition says otherwise. */
  readonly contentType: string;
  readonly policy: PolicyId;
};

/** How often and for how long a step is tried. */
export type Policy = { readonly retry: RetryPolicy; readonly timeouts: StepTimeouts };

export type StepTimeouts = {
  readonly connectMs: number;
  /** The whole exchange, from connecting to the last byte of the answer. */
  readonly answerMs: number;
  /** All attempts of the step with their waits; `null` means no limit. */
  readonly stepMs: number | null;
};

/** The members of a container that name its scopes. */
export type ScopeMember = 'body' | 'branches' | 'ways';

export type SequenceNode = NodeCommon & { readonly type: 'sequence'; readonly body: ScopeId };

export type ParallelNode = NodeCommon & {
  readonly type: 'parallel';
  readonly branches: readonly ScopeId[];
  readonly reduce: Reduce;
  readonly onError: OnError;
};

export type MapNode = NodeCommon & {
  readonly type: 'map';
  /** The items; `null`: they are what the node is given. */
  readonly over: Given | null;
  /** Run for each item. */
  readonly body: ScopeId;
  /** How many items are open at one time. */
  readonly concurrency: number;
  readonly reduce: Reduce;
  readonly onError: OnError;
};

export type ChoiceNode = NodeCommon & {
  readonly type: 'choice';
  /** Which of the ways is taken: that of the first that holds. */
  readonly when: readonly Expression[];
  /** One for each, and one more where there is an `otherwise`. */
  readonly ways: readonly ScopeId[];
};

export type RepeatNode = NodeCommon & {
  readonly type: 'repeat';
  /** Run once a round. */
  readonly body: ScopeId;
  /** Asked after each round; the last one is that after which it holds. */
  readonly until: Expression;
  readonly atMost: number;
};

/** `seconds`: how long; `until`: an instant. One of the two is there. */
export type WaitNode = NodeCommon & {
  readonly type: 'wait';
  readonly seconds: Given | null;
  readonly until: Given | null;
};

/** `all`: array in branch order; `last`: of the last branch by position; `none`: null. */
export type Reduce = 'all' | 'last' | 'none';
export type OnError = 'fail-fast' | 'continue';

export type PassNode = NodeCommon & { readonly type: 'pass' };
/** Ends the nearest branch, or the run, as completed. */
export type SucceedNode = NodeCommon & { readonly type: 'succeed' };
export type FailNode = NodeCommon & { readonly type: 'fail'; readonly error: string; readonly cause: string | null };

export type PlanNode =
  | StepNode
  | SequenceNode
  | ParallelNode
  | MapNode
  | ChoiceNode
  | RepeatNode
  | WaitNode
  | PassNode
  | SucceedNode
  | FailNode;
