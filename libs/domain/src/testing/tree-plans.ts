import { PolicyTable } from '../definition/policy-table.js';
import type { JsonText } from '../payload.js';
import type { Given, OnError, Plan, PlanNode, Reduce, Scope, ScopeId, StepTimeouts } from '../plan.js';
import { DEFAULT_RETRY, type RetryPolicy } from '../retry-policy.js';

// `as`: the text comes from JSON.stringify, which is what the brand says.
/** A value as the JSON text that events carry. */
export const json = (value: unknown): JsonText => JSON.stringify(value) as JsonText;

/** A constant, or with `{% … %}` in it what is computed. */
export const given = (value: unknown): Given => {
  const text = json(value);
  return text.includes('{%') ? { template: text } : text;
};

type Shaped = { readonly name?: string; readonly input?: unknown; readonly output?: unknown };

/** A plan written as a tree: what tests need of the plan, without a definition and its compiler. */
export type Tree =
  | (Shaped & {
      readonly type: 'step';
      readonly retry?: Partial<RetryPolicy>;
      readonly timeouts?: Partial<StepTimeouts>;
    })
  | (Shaped & { readonly type: 'pass' | 'succeed' })
  | (Shaped & { readonly type: 'fail'; readonly error: string; readonly cause?: string | null })
  | (Shaped & { readonly type: 'sequence'; readonly steps: readonly Tree[] })
  | (Shaped & {
      readonly type: 'parallel';
      readonly branches: readonly Tree[];
      readonly reduce?: Reduce;
      readonly onError?: OnError;
    });

type StepFields = Omit<Tree & { type: 'step' }, 'type' | 'name'>;
type ParallelFields = Omit<Tree & { type: 'parallel' }, 'type' | 'branches'>;

export const step = (name: string, fields: StepFields = {}): Tree => ({ type: 'step', name, ...fields });
export const sequence = (...steps: Tree[]): Tree => ({ type: 'sequence', steps });
export const named = (name: string, ...steps: Tree[]): Tree => ({ type: 'sequence', name, steps });
export const parallel = (fields: ParallelFields, ...branches: Tree[]): Tree => ({
  type: 'parallel',
  ...fields,
  branches,
});
export const pass = (name: string, fields: Shaped = {}): Tree => ({ type: 'pass', name, ...fields });
export const succeed = (name = 'done', fields: Shaped = {}): Tree => ({ type: 'succeed', name, ...fields });
export const fail = (name: string, error: string, cause: string | null = null): Tree => ({
  type: 'fail',
  name,
  error,
  cause,
});

/** The plan of a tree, nodes in the order they are written; sequences with nothing of their own are flattened. */
export const planOf = (root: Tree, timeoutMs: number | null = null): Plan => {
  const nodes: PlanNode[] = [];
  const scopes: Scope[] = [];
  const policies = new PolicyTable();

  const openScope = (container: number | null, slot: number | null, tree: Tree): ScopeId => {
    const id = scopes.push({ entry: nodes.length, container, slot }) - 1;
    let previous: number | null = null;
    for (const member of flatten(tree)) {
      const next = addNode(member, id);
      const before = previous === null ? undefined : nodes[previous];
      if (before !== undefined) nodes[before.id] = { ...before, next };
      previous = next;
    }
    return id;
  };

  const addNode = (tree: Tree, scope: ScopeId): number => {
    const id = nodes.length;
    const common = {
      id,
      // An empty name: one is made, and the sequence that bears it stays a scope of its own.
      name: tree.name || `${tree.type}${id}`,
      scope,
      next: null,
      input: tree.input === undefined ? null : given(tree.input),
      output: tree.output === undefined ? null : given(tree.output),
      as: null,
    };
    switch (tree.type) {
      case 'step':
        nodes.push({
          ...common,
          type: 'step',
          url: `http://app.test/${common.name}`,
          target: null,
          query: null,
          method: 'POST',
          headers: {},
          contentType: 'application/json',
          policy: policies.idOf({
            retry: { ...DEFAULT_RETRY, ...tree.retry },
            timeouts: { connectMs: 5_000, answerMs: 30_000, stepMs: null, ...tree.timeouts },
          }),
        });
        return id;
      case 'fail':
        nodes.push({ ...common, type: 'fail', error: tree.error, cause: tree.cause ?? null });
        return id;
      case 'pass':
        nodes.push({ ...common, type: 'pass' });
        return id;
      case 'succeed':
        nodes.push({ ...common, type: 'succeed' });
        return id;
      case 'sequence':
        nodes.push({ ...common, type: 'sequence', body: -1 });
        nodes[id] = { ...common, type: 'sequence', body: openScope(id, 0, sequence(...tree.steps)) };
        return id;
      case 'parallel': {
        const { reduce = 'all', onError = 'fail-fast' } = tree;
        nodes.push({ ...common, type: 'parallel', branches: [], reduce, onError });
        const branches = tree.branches.map((branch, index) => openScope(id, index, branch));
        nodes[id] = { ...common, type: 'parallel', branches, reduce, onError };
        return id;
      }
    }
  };

  openScope(null, null, root);
  return { v: 1, nodes, scopes, policies: policies.policies, output: null, timeoutMs };
};

const flatten = (tree: Tree): readonly Tree[] => {
  const plain = tree.type === 'sequence' && [tree.name, tree.input, tree.output].every((field) => field === undefined);
  return plain ? tree.steps.flatMap(flatten) : [tree];
};
