import { isName, NAME_PATTERN, NAME_RULE } from '../name.js';
import type { Given } from '../plan.js';
import { given } from './given.js';
import { quoted } from './finding.js';
import type { CompileLimits } from './limits.js';
import { choice, kindOf, optional, prose, refuse, text, type Kind, type MemberTable } from './member-kind.js';

// What every type of node has. Its own members stand with the type, in `nodes/<type>.ts`.

const COMMENT_CHARS_MAX = 10_000;

/** What only later versions know. */
export const LATER_NODE_MEMBERS: readonly string[] = ['catch', 'dynamic'];
export const LATER_TYPES: readonly string[] = ['signal', 'log', 'run', 'use'];

/** One node, read by whoever asked for it. */
export const node: Kind<unknown> = { schema: () => ({ $ref: '#/$defs/TreeNode' }), read: (value) => value };

/** One node at least, read by whoever asked for them; when there are too many, all the same. */
export const nodes = (maxOf: (limits: CompileLimits) => number | null): Kind<readonly unknown[]> => ({
  schema: (limits) => {
    const max = maxOf(limits);
    const items = { $ref: '#/$defs/TreeNode' };
    return { type: 'array', minItems: 1, ...(max === null ? {} : { maxItems: max }), items };
  },
  read: (value, place) => {
    if (!Array.isArray(value)) return refuse(place, `${place.label} must be an array, not ${kindOf(value)}`);
    const max = maxOf(place.limits);
    if (value.length === 0) refuse(place, `${place.label} is empty: at least one node is needed`);
    if (max !== null && value.length > max)
      refuse(place, `${place.label} has at most ${max} nodes, not ${value.length}`);
    return value;
  },
});

export type CommonValues = {
  readonly type: string;
  readonly name: string | null;
  readonly comment: string;
  readonly input: Given | null;
  readonly output: Given | null;
  readonly as: string | null;
};

/** The name that remains when all that a name may not hold is taken away. */
const asName = (given: string): string | null => {
  const name = given
    .trim()
    .replaceAll(/[^A-Za-z0-9_-]+/g, '-')
    .replace(/^[^A-Za-z]+/, '')
    .slice(0, 64)
    .replace(/-+$/, '');
  return isName(name) ? name : null;
};

const nodeName = text({
  pattern: NAME_PATTERN,
  flaw: (given) => (isName(given) ? null : `${quoted(given)} is no name: ${NAME_RULE}`),
  suggestion: asName,
});

/** What every node may have, with its type and what it is, in a sentence. */
export const commonMembers = (type: string, meaning: string): MemberTable<CommonValues> => ({
  type: optional(choice([type]), meaning),
  name: optional(
    nodeName,
    'Names the node among its siblings, and so its step in a run. Without one it is the type and a number, such as step2.',
  ),
  comment: optional(prose({ maxChars: COMMENT_CHARS_MAX }), 'For people; nothing reads it.'),
  input: optional(given, 'What the node is given, instead of the output of the node before it.'),
  output: optional(given, 'What the next node is given, instead of what this node gave.'),
  as: optional(nodeName, 'The name under which the nodes that follow find what flows out of this one: $steps.<name>.'),
});
