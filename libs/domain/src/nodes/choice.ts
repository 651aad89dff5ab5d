import { code } from '../definition/code.js';
import { listOf, optional, required, type MemberTable } from '../definition/member-kind.js';
import { commonMembers, node, type CommonValues } from '../definition/node-members.js';
import { object, type MemberReader } from '../definition/member-reader.js';
import { isTrue } from '../expressions/truth.js';
import type { ChoiceNode, Expression } from '../plan.js';
import { missing } from '../unreachable.js';
import { handsOn, LEAF, NONE, type NodeKind } from './node-kind.js';

type RuleValues = { readonly when: Expression; readonly then: unknown };
type Values = CommonValues & { readonly rules: readonly MemberReader<RuleValues>[]; readonly otherwise: unknown };

const RULES_MAX = 1_000;

export const RULE_MEMBERS: MemberTable<RuleValues> = {
  when: required(
    code,
    'Whether this way is taken, by JSONata’s own rule of truth.',
    'A rule needs a "when": an expression',
  ),
  then: required(node, 'What runs then.', 'A rule needs a "then": a node'),
};

const MEMBERS: MemberTable<Values> = {
  ...commonMembers('choice', 'One of several ways: that of the first rule that holds.'),
  rules: required(
    listOf(object(RULE_MEMBERS, { schema: 'ChoiceRule' }), { min: 1, max: RULES_MAX }),
    'The rules, asked in their order.',
    '"rules" is missing: an array of { when, then }',
  ),
  otherwise: optional(node, 'What runs when no rule holds. Without it the input is handed on.'),
};

/** One slot a way, of which one is opened at most: what flows out of that is the output. */
export const choiceKind: NodeKind<ChoiceNode> = {
  ...LEAF,
  members: MEMBERS,
  read: (written) => {
    const reader = written.members(MEMBERS);
    const rules = reader.read('rules') ?? NONE;
    const thens = rules.flatMap((rule) => written.child(rule.read('then'), rule.at('then')));
    const otherwise = written.child(reader.read('otherwise'), reader.at('otherwise'));
    const when = rules.flatMap((rule) => rule.read('when') ?? NONE);
    return { own: { type: 'choice', when }, children: [...thens, ...otherwise] };
  },
  chains: (children) => children.map((child) => [child]),
  plan: (own, ways) => ({ ...own, ways }),

  awaits: 'slots',
  endsSlot: 'with-inner',
  asks: ({ when }) => ({ expressions: when, mode: 'first-true' }),
  values: ({ ways, when }, _step, values, { fromSlot }) => {
    const held = values.findIndex(isTrue);
    const way = fromSlot ?? (held === -1 ? when.length : held);
    const count = way < ways.length ? 1 : 0;
    return { slots: { from: way, count, window: count } };
  },
  outcome: (node, step) => {
    const taken = step.slots?.outputs.at(-1) ?? null;
    return taken === null ? handsOn(node, step) : { revision: taken.revision, pointer: taken.pointer };
  },
  scopeOfSlot: ({ ways }, slot) => ways[slot] ?? missing(`way ${slot}`),
  scopes: ({ ways }) => ways,
};
