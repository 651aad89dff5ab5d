import { choice, refuse, type Kind } from '../definition/member-kind.js';
import { isRecord } from '../definition/record.js';
import { arrayBytes, NULL_TEXT, type PayloadRef } from '../payload.js';
import type { OnError, Reduce } from '../plan.js';
import type { PayloadSource } from '../run.js';
import { unreachable } from '../unreachable.js';
import type { Outcome } from './node-kind.js';

// What containers of several slots have in common: how their outputs become one, and what a failure does.

const reducer = choice<Reduce>(['all', 'last', 'none']);

/** Scripts are refused as such. */
export const reduce: Kind<Reduce> = {
  schema: reducer.schema,
  read: (value, place) =>
    value === 'script' || (isRecord(value) && 'js' in value)
      ? refuse(place, 'Reducing by a script is not available in this version')
      : reducer.read(value, place),
};

export const onError = choice<OnError>(['fail-fast', 'continue']);

export const DEFAULT_REDUCE: Reduce = 'all';
export const DEFAULT_ON_ERROR: OnError = 'fail-fast';

/** The output, or the error when the outputs are too large together. `whose`: what they are the outputs of. */
export const reduced = (
  reduce: Reduce,
  outputs: readonly (PayloadSource | null)[],
  { whose, payloadMaxBytes }: { readonly whose: string; readonly payloadMaxBytes: number },
): Outcome => {
  switch (reduce) {
    case 'none':
      return { value: NULL_TEXT };
    case 'last':
      return refOf(outputs.at(-1) ?? null) ?? { value: NULL_TEXT };
    case 'all': {
      const bytes = arrayBytes(outputs.map((output) => output?.text ?? NULL_TEXT));
      if (bytes <= payloadMaxBytes) return { all: outputs.map(refOf) };
      const cause = `the outputs of all ${whose} take ${bytes} bytes together, the limit is ${payloadMaxBytes}`;
      return { error: { name: 'Stepwell.PayloadTooLarge', cause } };
    }
    default:
      return unreachable(reduce);
  }
};

const refOf = (source: PayloadSource | null): PayloadRef | null =>
  source === null ? null : { revision: source.revision, pointer: source.pointer };
