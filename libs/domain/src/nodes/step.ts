import type { StepEntered } from '../events.js';
import type { StepNode } from '../plan.js';
import { missing } from '../unreachable.js';
import { LEAF, type NodeKind } from './node-kind.js';

/** One object a node, however many runs enter it: whoever writes it as text may keep that text by its identity. */
const requests = new WeakMap<StepNode, NonNullable<StepEntered['request']>>();

const requestOf = (node: StepNode): NonNullable<StepEntered['request']> => {
  const known = requests.get(node);
  if (known !== undefined) return known;
  const { method, url, headers, contentType } = node;
  const request = { method, url, headers, contentType };
  requests.set(node, request);
  return request;
};

export const stepKind: NodeKind<StepNode> = {
  ...LEAF,
  awaits: 'attempt',
  outcome: (_node, { key }) => missing(`the answer of step ${key}`),
  request: requestOf,
  limitMs: ({ timeouts }) => timeouts.stepMs,
};
