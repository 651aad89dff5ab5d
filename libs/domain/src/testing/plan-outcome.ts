import { isComputed, type Given, type NodeId, type Plan, type ScopeId } from '../plan.js';
import type { Verdict } from './simulated-world.js';
import { json } from './tree-plans.js';

/** How a run ends; of several failures side by side, whichever came first may give its name. */
export type PlanOutcome =
  | { readonly status: 'completed'; readonly output: string }
  | { readonly status: 'failed'; readonly errors: readonly string[] };

type Flow = PlanOutcome & { readonly succeeds: boolean };

/** Nothing is computed in the plans of tests like these. */
export const constantOf = (given: Given | null): string | null => {
  if (isComputed(given)) throw new Error('nothing is computed here');
  return given;
};

/** Reads a plan from the top like a program, with no events and no time: what every schedule must come to. */
export const outcomesOf = (plan: Plan, runInput: string, verdict: Verdict): PlanOutcome => {
  const throughScope = (id: ScopeId, input: string, prefix: string): Flow => {
    let flow: Flow = { status: 'completed', output: input, succeeds: false };
    for (
      let next: NodeId | null = plan.scopes[id]?.entry ?? null;
      next !== null;
      next = plan.nodes[next]?.next ?? null
    ) {
      if (flow.status === 'failed' || flow.succeeds) return flow;
      flow = throughNode(next, flow.output, prefix);
    }
    return flow;
  };

  const throughNode = (id: NodeId, flowing: string, prefix: string): Flow => {
    const node = plan.nodes[id];
    if (node === undefined) throw new Error(`no node ${id}`);
    const key = `${prefix}${node.name}`;
    const input = constantOf(node.input) ?? flowing;
    const completed = (raw: string, succeeds = false): Flow => ({
      status: 'completed',
      output: constantOf(node.output) ?? raw,
      succeeds,
    });
    const failed = (...errors: readonly string[]): Flow => ({ status: 'failed', errors, succeeds: false });
    switch (node.type) {
      case 'step': {
        const answer = verdict(key);
        return 'error' in answer ? failed(answer.error) : completed(json(answer.output));
      }
      case 'pass':
      case 'succeed':
        return completed(input, node.type === 'succeed');
      case 'fail':
        return failed(node.error);
      case 'sequence': {
        const inner = throughScope(node.body, input, `${key}.`);
        return inner.status === 'failed' ? inner : completed(inner.output, inner.succeeds);
      }
      case 'parallel': {
        const ends = node.branches.map((branch) => throughScope(branch, input, `${key}.`));
        const errors = ends.flatMap((end) => (end.status === 'failed' ? end.errors : []));
        if (errors.length > 0 && node.onError === 'fail-fast') return failed(...errors);
        const outputs = ends.map((end) => (end.status === 'failed' ? 'null' : end.output));
        if (node.reduce === 'all') return completed(`[${outputs.join(',')}]`);
        return completed(node.reduce === 'last' ? (outputs.at(-1) ?? 'null') : 'null');
      }
      default:
        throw new Error(`nothing is said of ${node.type} here`);
    }
  };

  const flow = throughScope(0, runInput, '');
  const output = constantOf(plan.output);
  return flow.status === 'completed' && output !== null ? { ...flow, output } : flow;
};
