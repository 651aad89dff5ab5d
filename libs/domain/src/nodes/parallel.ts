import { choice, optional, refuse, required, type Kind, type MemberTable } from '../definition/member-kind.js';
import { commonMembers, nodes, type CommonValues } from '../definition/node-members.js';
import { isRecord } from '../definition/record.js';
import { arrayBytes, NULL_TEXT, type PayloadRef } from '../payload.js';
import type { OnError, ParallelNode, Reduce } from '../plan.js';
import type { PayloadSource } from '../run.js';
import { missing, unreachable } from '../unreachable.js';
import { LEAF, type NodeKind, type Outcome } from './node-kind.js';

type Values = CommonValues & {
  readonly branches: readonly unknown[];
  readonly reduce: Reduce;
  readonly onError: OnError;
};

const reducer = choice<Reduce>(['all', 'last', 'none']);

/** Scripts are refused as such. */
const reduce: Kind<Reduce> = {
  schema: reducer.schema,
  read: (value, place) =>
    value === 'script' || (isRecord(value) && 'js' in value)
      ? refuse(place, 'Reducing by a script is not available in this version')
      : reducer.read(value, place),
};

const DEFAULT_REDUCE: Reduce = 'all';
const DEFAULT_ON_ERROR: OnError = 'fail-fast';

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
    choice<OnError>(['fail-fast', 'continue']),
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
  outcome: ({ reduce }, { slots }, { payloadMaxBytes }) => reduced(reduce, slots?.outputs ?? [], payloadMaxBytes),
  slots: ({ branches: { length } }) => ({ count: length, window: length }),
  scopeOfSlot: ({ branches }, slot) => branches[slot] ?? missing(`branch ${slot}`),
  scopes: ({ branches }) => branches,
  goesOn: ({ onError }) => onError === 'continue',
};

const reduced = (reduce: Reduce, outputs: readonly (PayloadSource | null)[], payloadMaxBytes: number): Outcome => {
  switch (reduce) {
    case 'none':
      return { value: NULL_TEXT };
    case 'last':
      return refOf(outputs.at(-1) ?? null) ?? { value: NULL_TEXT };
    case 'all': {
      const bytes = arrayBytes(outputs.map((output) => output?.text ?? NULL_TEXT));
      if (bytes <= payloadMaxBytes) return { all: outputs.map(refOf) };
      const cause = `the outputs of all branches take ${bytes} bytes together, the limit is ${payloadMaxBytes}`;
      return { error: { name: 'Stepwell.PayloadTooLarge', cause } };
    }
    default:
      return unreachable(reduce);
  }
};

const refOf = (source: PayloadSource | null): PayloadRef | null =>
  source === null ? null : { revision: source.revision, pointer: source.pointer };
