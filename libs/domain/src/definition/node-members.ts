import { isName, NAME_PATTERN, NAME_RULE } from '../name.js';
import type { JsonText } from '../payload.js';
import type { NodeType, OnError, Reduce, StepNode, StepTimeouts } from '../plan.js';
import type { RetryPolicy } from '../retry-policy.js';
import { retry, stepTimeouts } from './attempt-rules.js';
import { constant } from './constant.js';
import { errorName } from './error-name.js';
import { quoted } from './finding.js';
import type { CompileLimits } from './limits.js';
import {
  choice,
  kindOf,
  optional,
  orNull,
  prose,
  refuse,
  required,
  text,
  type Kind,
  type MemberTable,
} from './member-kind.js';
import type { MemberReader } from './member-reader.js';
import { isRecord } from './record.js';
import { contentType, headers } from './step-headers.js';
import { stepUrl } from './step-url.js';

// The members of every type of node, in the order in which they are shown. The compiler reads by these tables, and the
// schema is made of them.

const COMMENT_CHARS_MAX = 10_000;
const CAUSE_CHARS_MAX = 10_000;

/** What only later versions know. */
export const LATER_NODE_MEMBERS: readonly string[] = ['as', 'catch', 'dynamic'];
export const LATER_TYPES: readonly string[] = ['map', 'choice', 'repeat', 'wait', 'signal', 'log', 'run', 'use'];

/** One node, read by whoever asked for it. */
export const node: Kind<unknown> = { schema: () => ({ $ref: '#/$defs/TreeNode' }), read: (value) => value };

/** One node at least, read by whoever asked for them; when there are too many, all the same. */
const nodes = (maxOf: (limits: CompileLimits) => number | null): Kind<readonly unknown[]> => ({
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
  readonly input: JsonText | null;
  readonly output: JsonText | null;
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
const commonMembers = (type: string, meaning: string): MemberTable<CommonValues> => ({
  type: optional(choice([type]), meaning),
  name: optional(
    nodeName,
    'Names the node among its siblings, and so its step in a run. Without one it is the type and a number, such as step2.',
  ),
  comment: optional(prose({ maxChars: COMMENT_CHARS_MAX }), 'For people; nothing reads it.'),
  input: optional(constant, 'A constant that the node is given, instead of the output of the node before it.'),
  output: optional(constant, 'A constant that the next node is given, instead of what this node gave.'),
});

export type StepValues = CommonValues & {
  readonly url: string;
  readonly method: StepNode['method'];
  readonly headers: StepNode['headers'];
  readonly contentType: string;
  readonly completion: 'answer';
  readonly retry: MemberReader<RetryPolicy>;
  readonly timeouts: MemberReader<StepTimeouts>;
};

const answer = choice(['answer']);

/** The ways that later versions know are refused as such. */
const completion: Kind<'answer'> = {
  schema: answer.schema,
  read: (value, place) =>
    value === 'callback' || value === 'poll'
      ? refuse(place, `Completion by ${value} is not available in this version: only "answer" is`)
      : answer.read(value, place),
};

export const DEFAULT_METHOD: StepNode['method'] = 'POST';
export const DEFAULT_CONTENT_TYPE = 'application/json';

const STEP_MEMBERS: MemberTable<StepValues> = {
  ...commonMembers('step', 'Sends a request to the application; its answer is the output.'),
  url: required(
    stepUrl,
    'Where the request goes: an absolute url, or a path below the target of the definition.',
    'A step needs a "url": absolute, or relative to the target of the definition',
  ),
  method: optional(
    choice<StepNode['method']>(['GET', 'POST', 'PUT', 'PATCH', 'DELETE']),
    'The method of the request. A GET has no body.',
    DEFAULT_METHOD,
  ),
  headers: optional(
    headers,
    'Headers of the request. Those that HTTP or Stepwell itself sets are refused. Values are stored in the log: put no secret here.',
  ),
  contentType: optional(
    contentType,
    'The content type of the request. Under another type than JSON, an input that is a string is the body itself.',
    DEFAULT_CONTENT_TYPE,
  ),
  completion: optional(
    completion,
    'What ends the step. answer: the answer to the request. This version knows nothing else.',
    'answer',
  ),
  retry: optional(retry, 'When a failed attempt is made again. What is not given is as the definition has it.'),
  timeouts: optional(stepTimeouts, 'How long the step may take. What is not given is as the definition has it.'),
};

type SequenceValues = CommonValues & { readonly steps: readonly unknown[] };

const SEQUENCE_MEMBERS: MemberTable<SequenceValues> = {
  ...commonMembers('sequence', 'Its nodes one after the other, each given the output of the one before.'),
  steps: required(
    nodes(() => null),
    'The nodes, in their order.',
    '"steps" is missing: an array of nodes',
  ),
};

type ParallelValues = CommonValues & {
  readonly branches: readonly unknown[];
  readonly reduce: Reduce;
  readonly onError: OnError;
};

const reducer = choice<Reduce>(['all', 'last', 'none']);

/** Scripts are refused as such. */
const reduce: Kind<Reduce> = {
  schema: reducer.schema,
  read: (value, place) =>
    value === 'script' || (isRecord(value) && 'js' in value)
      ? refuse(place, 'Reducing by a script is not available in this version')
      : reducer.read(value, place),
};

export const DEFAULT_REDUCE: Reduce = 'all';
export const DEFAULT_ON_ERROR: OnError = 'fail-fast';

const PARALLEL_MEMBERS: MemberTable<ParallelValues> = {
  ...commonMembers('parallel', 'All its branches at the same time, each given the input of the parallel.'),
  branches: required(
    nodes(({ branchesMax }) => branchesMax),
    'The branches; each is one node.',
    '"branches" is missing: an array of nodes',
  ),
  reduce: optional(
    reduce,
    'What the output is. all: an array of the outputs, in the order of the branches. last: the output of the last branch by position. none: null.',
    DEFAULT_REDUCE,
  ),
  onError: optional(
    choice<OnError>(['fail-fast', 'continue']),
    'What follows when a branch fails. fail-fast: the others are cancelled and the parallel fails. continue: the others go on; null stands for the output of the one that failed.',
    DEFAULT_ON_ERROR,
  ),
};

type FailValues = CommonValues & { readonly error: string; readonly cause: string | null };

export const DEFAULT_ERROR = 'Failed';

const FAIL_MEMBERS: MemberTable<FailValues> = {
  ...commonMembers('fail', 'Fails, as a step that gives up does: the branch or the run ends.'),
  error: optional(errorName, 'The name of the error.', DEFAULT_ERROR),
  cause: optional(orNull(text({ maxChars: CAUSE_CHARS_MAX })), 'The reason, in words.', null),
};

/** Every type of node by its members. */
export const NODES = {
  step: STEP_MEMBERS,
  sequence: SEQUENCE_MEMBERS,
  parallel: PARALLEL_MEMBERS,
  pass: commonMembers('pass', 'Does nothing: what it is given flows on, unless it has an output of its own.'),
  succeed: commonMembers('succeed', 'Ends the branch that it stands in, or else the run, as completed.'),
  fail: FAIL_MEMBERS,
} as const satisfies Record<NodeType, MemberTable<CommonValues>>;
