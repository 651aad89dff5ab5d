import { errorName } from '../definition/error-name.js';
import { optional, orNull, text, type MemberTable } from '../definition/member-kind.js';
import { commonMembers, type CommonValues } from '../definition/node-members.js';
import type { FailNode } from '../plan.js';
import { LEAF, NONE, type NodeKind } from './node-kind.js';

const CAUSE_CHARS_MAX = 10_000;

type Values = CommonValues & { readonly error: string; readonly cause: string | null };

const DEFAULT_ERROR = 'Failed';

const MEMBERS: MemberTable<Values> = {
  ...commonMembers('fail', 'Fails, as a step that gives up does: the branch or the run ends.'),
  error: optional(errorName, 'The name of the error.', DEFAULT_ERROR),
  cause: optional(orNull(text({ maxChars: CAUSE_CHARS_MAX })), 'The reason, in words.', null),
};

export const failKind: NodeKind<FailNode> = {
  ...LEAF,
  members: MEMBERS,
  read: (written) => {
    const reader = written.members(MEMBERS);
    const error = reader.readOr('error', DEFAULT_ERROR);
    return { own: { type: 'fail', error, cause: reader.readOr('cause', null) }, children: NONE };
  },
  plan: (own) => own,

  endsSlot: 'always',
  outcome: ({ error, cause }) => ({ error: { name: error, cause } }),
};
