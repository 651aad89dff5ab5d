import type { Given } from '../plan.js';
import type { RetryPolicy } from '../retry-policy.js';
import { retry, runTimeouts, type RunTimeouts } from './attempt-rules.js';
import { given } from './given.js';
import { choice, optional, prose, required, type MemberTable } from './member-kind.js';
import type { MemberReader } from './member-reader.js';
import { node } from './node-members.js';
import { targetUrl } from './step-url.js';
import { tags } from './tags.js';

const DESCRIPTION_CHARS_MAX = 10_000;

/** What only later versions know. */
export const LATER_MEMBERS: readonly string[] = ['variables', 'input'];

export type DefinitionValues = {
  readonly format: 'tree';
  readonly description: string;
  readonly tags: Readonly<Record<string, string>>;
  readonly target: string;
  readonly retry: MemberReader<RetryPolicy>;
  readonly timeouts: MemberReader<RunTimeouts>;
  readonly root: unknown;
  readonly output: Given;
};

const tree = choice(['tree']);

/** The members of a definition, as `node-members.ts` has those of its nodes. */
export const DEFINITION_MEMBERS: MemberTable<DefinitionValues> = {
  format: optional(tree, 'The format of the definition. This version knows the tree alone.', 'tree'),
  description: optional(prose({ maxChars: DESCRIPTION_CHARS_MAX }), 'What the workflow is for, in words.'),
  tags: optional(tags, 'Labels of every run; a start may add others, or change these.'),
  target: optional(
    targetUrl,
    'The application: the base that relative urls of steps are put behind, such as http://app:4000.',
  ),
  retry: optional(retry, 'When a failed attempt of a step is made again. A step may say it differently.'),
  timeouts: optional(runTimeouts, 'How long a step may take, and a whole run. A step may say its own differently.'),
  root: required(
    node,
    'The node that a run enters first; mostly a sequence.',
    'A definition needs a "root": the node that a run enters first',
  ),
  output: optional(given, 'The output of the run, instead of what its last node gave.'),
};
