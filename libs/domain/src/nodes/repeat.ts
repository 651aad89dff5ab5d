import { code } from '../definition/code.js';
import { optional, required, wholeNumber, type MemberTable } from '../definition/member-kind.js';
import { commonMembers, node, type CommonValues } from '../definition/node-members.js';
import type { Expression, RepeatNode } from '../plan.js';
import { missing } from '../unreachable.js';
import { handsOn, LEAF, type NodeKind } from './node-kind.js';

type Values = CommonValues & { readonly do: unknown; readonly until: Expression; readonly atMost: number };

const ROUNDS_MAX = 100_000;
const DEFAULT_AT_MOST = 1_000;

const MEMBERS: MemberTable<Values> = {
  ...commonMembers('repeat', 'The same again and again, each round given the output of the one before.'),
  do: required(node, 'What runs in each round.', '"do" is missing: a node'),
  until: required(
    code,
    'Asked after each round, with its output as $output: when it holds, that was the last one.',
    '"until" is missing: an expression',
  ),
  atMost: optional(
    wholeNumber({ min: 1, max: ROUNDS_MAX }),
    'After so many rounds it fails with Stepwell.TooManyRounds.',
    DEFAULT_AT_MOST,
  ),
};

/** A slot a round, one after the other: whether another follows is asked after each. */
export const repeatKind: NodeKind<RepeatNode> = {
  ...LEAF,
  members: MEMBERS,
  read: (written) => {
    const reader = written.members(MEMBERS);
    const atMost = reader.readOr('atMost', DEFAULT_AT_MOST);
    // Where there is none that can be read, there is a finding, and no plan.
    const until = reader.read('until') ?? { language: 'jsonata' as const, source: 'true' };
    const children = written.child(reader.read('do'), reader.at('do'));
    return { own: { type: 'repeat', until, atMost }, children };
  },
  chains: (children) => [children],
  plan: (own, [body = missing('the body of a repeat')]) => ({ ...own, body }),

  awaits: 'slots',
  opens: 'one by one',
  keepsNames: true,
  endsSlot: 'with-inner',
  slots: ({ atMost }) => ({ count: atMost, window: 1 }),
  until: ({ until }) => until,
  outcome: (node, step) => {
    const last = step.slots?.outputs[step.slots.opened - 1] ?? null;
    return last === null ? handsOn(node, step) : { revision: last.revision, pointer: last.pointer };
  },
  scopeOfSlot: ({ body }) => body,
  inputOfSlot: ({ slots, inputRef }, slot) => {
    const { revision, pointer } = slot === 0 ? inputRef : (slots?.outputs[slot - 1] ?? missing(`round ${slot}`));
    return { revision, pointer };
  },
  scopes: ({ body }) => [body],
};
