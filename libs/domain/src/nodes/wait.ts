import { given } from '../definition/given.js';
import { optional, refuse, type MemberTable } from '../definition/member-kind.js';
import { commonMembers, type CommonValues } from '../definition/node-members.js';
import { expressionsOf, printed } from '../expressions/computed.js';
import { toInstant } from '../instant.js';
import type { JsonText } from '../payload.js';
import { isComputed, type Given, type WaitNode } from '../plan.js';
import { missing } from '../unreachable.js';
import { handsOn, LEAF, NONE, type NodeKind, type Values } from './node-kind.js';

type Members = CommonValues & { readonly seconds: Given; readonly until: Given };

const MEMBERS: MemberTable<Members> = {
  ...commonMembers('wait', 'Waits; then what it was given flows on.'),
  seconds: optional(given, 'For so many seconds; fractions count.'),
  until: optional(
    given,
    'Until that instant, ISO 8601 with an offset or Z; one that has passed is waited for no longer.',
  ),
};

/** Its token stays until the time has come, whatever is stopped meanwhile. */
export const waitKind: NodeKind<WaitNode> = {
  ...LEAF,
  members: MEMBERS,
  read: (written) => {
    const reader = written.members(MEMBERS);
    const own = { type: 'wait' as const, seconds: reader.read('seconds') ?? null, until: reader.read('until') ?? null };
    if ((own.seconds === null) === (own.until === null))
      refuse(reader.place, 'A wait needs either "seconds" or "until"');
    for (const member of ['seconds', 'until'] as const) {
      const value = own[member];
      if (value === null || isComputed(value)) continue;
      const read = member === 'seconds' ? millisOf(value) : instantOf(value);
      if (read === null) refuse(reader.at(member), WRONG[member]);
    }
    return { own, children: NONE };
  },
  plan: (own) => own,

  awaits: 'time',
  asks: ({ seconds, until }) => {
    const of = seconds ?? until;
    return { expressions: isComputed(of) ? expressionsOf(of) : NONE, mode: 'all' };
  },
  values: ({ seconds, until }, _step, values, { atMs, limits: { waitMaxMs } }) => {
    const given = seconds ?? until ?? missing('how long a wait is');
    const text = isComputed(given) ? printed(given, values) : given;
    const ms = seconds === null ? null : millisOf(text);
    const wakeMs = seconds === null ? instantOf(text) : ms === null ? null : atMs + ms;
    if (wakeMs === null) return invalid(text, seconds === null ? 'until' : 'seconds');
    if (wakeMs - atMs > waitMaxMs) {
      const cause = `the wait would last until ${String(text)}, the limit is ${waitMaxMs} ms`;
      return { error: { name: 'Stepwell.WaitTooLong', cause } };
    }
    return { wait: { wakeAt: toInstant(wakeMs), ms } };
  },
  outcome: handsOn,
};

const WRONG = {
  seconds: 'A wait lasts a number of seconds, 0 or more',
  until: 'A wait ends at an instant such as "2026-01-31T09:00:00Z"',
};

const invalid = (text: JsonText, member: keyof typeof WRONG): Values => ({
  error: { name: 'Stepwell.InvalidWait', cause: `${WRONG[member]}, not ${text.slice(0, 100)}` },
});

const millisOf = (text: JsonText): number | null => {
  const seconds: unknown = JSON.parse(text);
  return typeof seconds === 'number' && seconds >= 0 ? Math.ceil(seconds * 1_000) : null;
};

const INSTANT = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})$/;

const instantOf = (text: JsonText): number | null => {
  const instant: unknown = JSON.parse(text);
  if (typeof instant !== 'string' || !INSTANT.test(instant)) return null;
  const ms = Date.parse(instant);
  return Number.isNaN(ms) ? null : ms;
};
