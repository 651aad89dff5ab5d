import { given } from '../definition/given.js';
import { optional, required, wholeNumber, type MemberTable } from '../definition/member-kind.js';
import { commonMembers, node, type CommonValues } from '../definition/node-members.js';
import { expressionsOf, printed } from '../expressions/computed.js';
import { JsonCutter } from '../json-cut.js';
import { NULL_TEXT, payloadOf, arrayText, type JsonText, type PayloadRef } from '../payload.js';
import { isComputed, type Given, type MapNode, type OnError, type Reduce } from '../plan.js';
import type { Step } from '../run.js';
import { missing } from '../unreachable.js';
import { LEAF, NONE, type NodeKind, type Values } from './node-kind.js';
import { DEFAULT_ON_ERROR, DEFAULT_REDUCE, onError, reduce, reduced } from './reduce.js';

type Members = CommonValues & {
  readonly over: Given;
  readonly each: unknown;
  readonly concurrency: number;
  readonly reduce: Reduce;
  readonly onError: OnError;
};

const CONCURRENCY_MAX = 10_000;
const DEFAULT_CONCURRENCY = 20;

const MEMBERS: MemberTable<Members> = {
  ...commonMembers('map', 'The same for each item of a list, so many at the same time.'),
  over: optional(
    given,
    'The items: an array; nothing or null is no item, any other value is one item. Without it they are what the node is given.',
  ),
  each: required(node, 'What runs for each item, which it is given.', '"each" is missing: a node'),
  concurrency: optional(
    wholeNumber({ min: 1, max: CONCURRENCY_MAX }),
    'How many items are under way at the same time.',
    DEFAULT_CONCURRENCY,
  ),
  reduce: optional(
    reduce,
    'What the output is. all: an array of the outputs, in the order of the items. last: the output of the last item by position. none: null.',
    DEFAULT_REDUCE,
  ),
  onError: optional(
    onError,
    'What follows when an item fails. fail-fast: the others are cancelled and the map fails. continue: the others go on; null stands for the output of the one that failed.',
    DEFAULT_ON_ERROR,
  ),
};

/** A slot an item, so many of them open as it says; an item that ends lets the next one begin. */
export const mapKind: NodeKind<MapNode> = {
  ...LEAF,
  members: MEMBERS,
  read: (written) => {
    const reader = written.members(MEMBERS);
    const own = {
      type: 'map' as const,
      over: reader.read('over') ?? null,
      concurrency: reader.readOr('concurrency', DEFAULT_CONCURRENCY),
      reduce: reader.readOr('reduce', DEFAULT_REDUCE),
      onError: reader.readOr('onError', DEFAULT_ON_ERROR),
    };
    return { own, children: written.child(reader.read('each'), reader.at('each')) };
  },
  chains: (children) => [children],
  plan: (own, [body = missing('the body of a map')]) => ({ ...own, body }),

  awaits: 'slots',
  numbersSlots: true,
  keepsNames: true,
  asks: ({ over }) => ({ expressions: isComputed(over) ? expressionsOf(over) : NONE, mode: 'all' }),
  values: ({ over, concurrency }, step, values, { limits: { itemsMax } }) => {
    if (over === null) return itemsOf(step.input, step.inputRef, { concurrency, itemsMax });
    const text = isComputed(over) ? printed(over, values) : over;
    return itemsOf(text, null, { concurrency, itemsMax });
  },
  outcome: ({ reduce }, { slots }, { payloadMaxBytes }) =>
    reduced(reduce, slots?.outputs ?? NONE, { whose: 'items', payloadMaxBytes }),
  scopeOfSlot: ({ body }) => body,
  inputOfSlot: ({ key, items }: Step, slot) => {
    const { revision, pointer } = items ?? missing(`the items of ${key}`);
    return { revision, pointer: `${pointer}/${slot}` };
  },
  scopes: ({ body }) => [body],
  goesOn: ({ onError }) => onError === 'continue',
};

type Bounds = { readonly concurrency: number; readonly itemsMax: number };

/** `stored`: where the text stands already; `null`: nowhere. */
const itemsOf = (text: JsonText, stored: PayloadRef | null, { concurrency, itemsMax }: Bounds): Values => {
  const isArray = text.startsWith('[');
  const count = isArray ? new JsonCutter(text).count() : text === NULL_TEXT ? 0 : 1;
  if (count > itemsMax) {
    const cause = `the map has ${count} items, the limit is ${itemsMax}`;
    return { error: { name: 'Stepwell.TooManyItems', cause } };
  }
  const slots = { from: 0, count, window: Math.min(count, concurrency) };
  if (!isArray) return { slots, items: { value: count === 0 ? payloadOf('[]') : arrayText([text]) } };
  return { slots, items: stored === null ? { value: text } : { revision: stored.revision, pointer: stored.pointer } };
};
