import { optional, required, type MemberTable } from '../definition/member-kind.js';
import { commonMembers, nodes, type CommonValues } from '../definition/node-members.js';
import type { OnError, ParallelNode, Reduce } from '../plan.js';
import { missing } from '../unreachable.js';
import { LEAF, NONE, type NodeKind } from './node-kind.js';
import { DEFAULT_ON_ERROR, DEFAULT_REDUCE, onError, reduce, reduced } from './reduce.js';

type Values = CommonValues & {
  readonly branches: readonly unknown[];
  readonly reduce: Reduce;
  readonly onError: OnError;
};

const MEMBERS: MemberTable<Values> = {
  ...commonMembers('parallel', 'All its branches at the same time, each given the input of the parallel.'),
  branches: required(
    nodes(({ branchesMax }) => branchesMax),
    'The branches; each is one node.',
    '"branches" is missing: an array of nodes',
  ),
  reduce: optional(
    reduce,
    'What the output is. all: an array of the outputs, in the order of the branches. last: the output of the last branch by position. none: null.',
    DEFAULT_REDUCE,
  ),
  onError: optional(
    onError,
    'What follows when a branch fails. fail-fast: the others are cancelled and the parallel fails. continue: the others go on; null stands for the output of the one that failed.',
    DEFAULT_ON_ERROR,
  ),
};

/** A slot a branch, all open at once; its output is reduced from theirs, in the order of the branches. */
export const parallelKind: NodeKind<ParallelNode> = {
  ...LEAF,
  members: MEMBERS,
  read: (written) => {
    const reader = written.members(MEMBERS);
    const reduce = reader.readOr('reduce', DEFAULT_REDUCE);
    const onError = reader.readOr('onError', DEFAULT_ON_ERROR);
    const children = written.children(reader.read('branches'), reader.at('branches'));
    return { own: { type: 'parallel', reduce, onError }, children };
  },
  chains: (branches) => branches.map((branch) => [branch]),
  plan: ({ type, reduce, onError }, branches) => ({ type, branches, reduce, onError }),

  awaits: 'slots',
  outcome: ({ reduce }, { slots }, { payloadMaxBytes }) =>
    reduced(reduce, slots?.outputs ?? NONE, { whose: 'branches', payloadMaxBytes }),
  slots: ({ branches: { length } }) => ({ count: length, window: length }),
  scopeOfSlot: ({ branches }, slot) => branches[slot] ?? missing(`branch ${slot}`),
  scopes: ({ branches }) => branches,
  goesOn: ({ onError }) => onError === 'continue',
};
