import type { RunStarted, StepCompleted, StepEntered, ValuesComputed } from './events.js';
import { JsonCutter } from './json-cut.js';
import { arrayText, NULL_TEXT, payloadOf, type JsonText, type PayloadRef } from './payload.js';
import type { PayloadSource } from './run.js';
import { missing } from './unreachable.js';

/** The payloads of a run, by the revision of the event that stores them; an event may store several, each as a member of its data. */
export type Payloads = ReadonlyMap<number, readonly PayloadSource[]>;

/** A fold of a run, at the event of its revision: what that event stores is added. */
type Folding = {
  readonly revision: number;
  readonly payloads: Map<number, readonly PayloadSource[]>;
  /** Counted where it is known. */
  payloadChars?: number;
};

export const RUN_INPUT: PayloadRef = { revision: 0, pointer: '/input' };

/**
 * The payload that a reference names: one that is stored, or what its pointer leads to inside of one. Throws by name when there
 * is none, so that its run stops there: nothing is decided on a guess.
 */
export const sourceOf = (payloads: Payloads, ref: PayloadRef): PayloadSource =>
  payloadAt(payloads.get(ref.revision) ?? [], ref) ?? missing(`the payload ${ref.pointer} of revision ${ref.revision}`);

/** The same among those that one event stores; `null` when it is not there. */
export const payloadAt = (
  payloads: readonly PayloadSource[],
  { revision, pointer }: PayloadRef,
): PayloadSource | null => {
  for (const stored of payloads) {
    if (stored.pointer === pointer) return stored;
    if (!pointer.startsWith(`${stored.pointer}/`)) continue;
    const text = cutterOf(stored).cut(pointer.slice(stored.pointer.length));
    return text === null ? null : { revision, pointer, text: payloadOf(text) };
  }
  return null;
};

/** What the first event of a run stores. */
export const startPayloads = ({ input, variables }: RunStarted): readonly PayloadSource[] => [
  { ...RUN_INPUT, text: input },
  { revision: 0, pointer: '/variables', text: variables },
];

/** What a step is given; a constant is stored in the event itself. */
export const inputOf = (fold: Folding, input: StepEntered['input']): PayloadSource =>
  'value' in input
    ? store(fold, { revision: fold.revision, pointer: '/input', text: input.value })
    : sourceOf(fold.payloads, input);

/** What flows on; stored in the event itself unless it only names what another one stores. */
export const outputOf = (fold: Folding, output: StepCompleted['output']): PayloadSource => {
  if ('pointer' in output) return sourceOf(fold.payloads, output);
  const { revision } = fold;
  if ('value' in output) return store(fold, { revision, pointer: '/output', text: output.value });
  return store(fold, { revision, pointer: '/outputRefs', text: joinedText(fold.payloads, output.all) });
};

/** What flows on instead of it; stored in the event itself. */
export const mappedOf = (fold: Folding, mapped: JsonText): PayloadSource =>
  store(fold, { revision: fold.revision, pointer: '/mapped', text: mapped });

/** What the slots of a container are given; stored in the event itself unless it only names what another one stores. */
export const itemsOf = (fold: Folding, items: NonNullable<ValuesComputed['items']>): PayloadSource =>
  'value' in items
    ? store(fold, { revision: fold.revision, pointer: '/items', text: items.value })
    : sourceOf(fold.payloads, items);

/** The array of what the references lead to. */
export const joinedText = (payloads: Payloads, refs: readonly (PayloadRef | null)[]): JsonText =>
  arrayText(refs.map((ref) => (ref === null ? NULL_TEXT : sourceOf(payloads, ref).text)));

const store = (fold: Folding, source: PayloadSource): PayloadSource => {
  const { payloads, revision } = fold;
  payloads.set(revision, [...(payloads.get(revision) ?? []), source]);
  if (fold.payloadChars !== undefined) fold.payloadChars += source.text.length;
  return source;
};

/** As long as a payload is in memory, so that all items of it are cut in one pass. */
const cutters = new WeakMap<PayloadSource, JsonCutter>();

const cutterOf = (stored: PayloadSource): JsonCutter => {
  const known = cutters.get(stored);
  if (known !== undefined) return known;
  const cutter = new JsonCutter(stored.text);
  cutters.set(stored, cutter);
  return cutter;
};
