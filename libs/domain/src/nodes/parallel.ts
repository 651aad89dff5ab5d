import { arrayBytes, NULL_TEXT, type PayloadRef } from '../payload.js';
import type { ParallelNode } from '../plan.js';
import type { PayloadSource } from '../run.js';
import { missing, unreachable } from '../unreachable.js';
import { LEAF, type NodeKind, type Outcome } from './node-kind.js';

/** A slot a branch, all open at once; its output is reduced from theirs, in the order of the branches. */
export const parallelKind: NodeKind<ParallelNode> = {
  ...LEAF,
  awaits: 'slots',
  outcome: ({ output, reduce }, { slots }, { payloadMaxBytes }) => {
    const outputs = slots?.outputs ?? [];
    // A constant stands for whatever they would reduce to, however large.
    return output === null ? reduced(reduce, outputs, payloadMaxBytes) : { value: output };
  },
  slots: ({ branches: { length } }) => ({ count: length, window: length }),
  scopeOfSlot: ({ branches }, slot) => branches[slot] ?? missing(`branch ${slot}`),
  scopes: ({ branches }) => branches,
  goesOn: ({ onError }) => onError === 'continue',
};

const reduced = (
  reduce: ParallelNode['reduce'],
  outputs: readonly (PayloadSource | null)[],
  payloadMaxBytes: number,
): Outcome => {
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
