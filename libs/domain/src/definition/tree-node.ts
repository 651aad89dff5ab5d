import type { JsonText } from '../payload.js';
import { isLongerThan } from '../payload.js';
import type { OnError, Reduce, StepNode, StepTimeouts } from '../plan.js';
import type { RetryPolicy } from '../retry-policy.js';
import { isErrorName, readRetry, readTimeouts, refuseOtherTimeouts } from './attempt-rules.js';
import { readConstant } from './constant.js';
import { below, quoted, type Findings } from './finding.js';
import type { CompileLimits } from './limits.js';
import { kindOf, MemberReader } from './member-reader.js';
import { nearestName } from './known-name.js';
import { contentTypeFlaw, readHeaders } from './step-headers.js';
import { isRelativeUrl, readAbsoluteUrl, readRelativeUrl, URL_CHARS_MAX } from './step-url.js';

/** A node as written, its own fields read and every default put in; names and scopes come later. */
export type TreeNode = {
  readonly pointer: string;
  readonly name: string | null;
  readonly input: JsonText | null;
  readonly output: JsonText | null;
  readonly own: OwnFields;
};

export type OwnFields =
  | Pick<StepNode, 'type' | 'url' | 'method' | 'headers' | 'contentType' | 'retry' | 'timeouts'>
  | { readonly type: 'sequence'; readonly steps: readonly TreeNode[] }
  | {
      readonly type: 'parallel';
      readonly branches: readonly TreeNode[];
      readonly reduce: Reduce;
      readonly onError: OnError;
    }
  | { readonly type: 'pass' }
  | { readonly type: 'succeed' }
  | { readonly type: 'fail'; readonly error: string; readonly cause: string | null }
  /** There is a finding about it, so it is in no plan. */
  | { readonly type: 'unreadable' };

/** What the definition says for all its nodes, and how many have been read. */
export type TreeReading = {
  readonly findings: Findings;
  readonly limits: CompileLimits;
  /** `null`: none is given; `undefined`: it is wrong, so that relative urls are not to blame. */
  readonly target: string | null | undefined;
  readonly retry: RetryPolicy;
  readonly timeouts: StepTimeouts;
  nodes: number;
};

const COMMON_MEMBERS = ['type', 'name', 'comment', 'input', 'output'];
const OWN_MEMBERS = {
  step: ['url', 'method', 'headers', 'contentType', 'completion', 'retry', 'timeouts'],
  sequence: ['steps'],
  parallel: ['branches', 'reduce', 'onError'],
  pass: [],
  succeed: [],
  fail: ['error', 'cause'],
} as const;
const TYPES = ['step', 'sequence', 'parallel', 'pass', 'succeed', 'fail'] as const;
const LATER_TYPES = ['map', 'choice', 'repeat', 'wait', 'signal', 'log', 'run', 'use'];
const LATER_MEMBERS = ['as', 'catch', 'dynamic'];

const NAME = /^[A-Za-z][A-Za-z0-9_-]{0,63}$/;
const COMMENT_CHARS_MAX = 10_000;
const CAUSE_CHARS_MAX = 10_000;

/** Reads a node and all below it. `depth` counts from 1; `null` stands for what is no node at all. */
export const readNode = (
  value: unknown,
  place: { pointer: string; depth: number },
  reading: TreeReading,
): TreeNode | null => {
  const { pointer, depth } = place;
  const { findings, limits } = reading;
  reading.nodes += 1;
  if (reading.nodes > limits.planNodesMax) {
    // Said once: the rest is not read.
    if (reading.nodes === limits.planNodesMax + 1)
      findings.error(pointer, `A plan has at most ${limits.planNodesMax} nodes, this is one more`);
    return null;
  }
  if (depth > limits.nestingMax) {
    findings.error(pointer, `Nodes are nested more than ${limits.nestingMax} levels deep`);
    return null;
  }
  const reader = MemberReader.of(value, pointer, findings);
  if (reader === undefined) return null;
  const own = readOwn(reader, depth, reading);
  return {
    pointer,
    name: readName(reader),
    input: readPayload(reader, 'input', limits),
    output: readPayload(reader, 'output', limits),
    own,
  };
};

const readOwn = (reader: MemberReader, depth: number, reading: TreeReading): OwnFields => {
  const type = readType(reader);
  if (type === null) return { type: 'unreadable' };
  reader.refuseOthers([...COMMON_MEMBERS, ...OWN_MEMBERS[type]], LATER_MEMBERS);
  reader.prose('comment', COMMENT_CHARS_MAX);
  switch (type) {
    case 'step':
      return readStep(reader, reading);
    case 'sequence':
      return { type, steps: readChildren(reader, 'steps', depth, reading) };
    case 'parallel':
      return readParallel(reader, depth, reading);
    case 'fail':
      return readFail(reader);
    default:
      return { type };
  }
};

type WrittenType = (typeof TYPES)[number];

/** The type of a node, or the one that was meant, so that a misspelt type hides nothing below it; `null`: no guess. */
const readType = (reader: MemberReader): WrittenType | null => {
  const given = reader.raw('type');
  const known = TYPES.find((type) => type === given);
  if (known !== undefined) return known;
  if (typeof given === 'string' && LATER_TYPES.includes(given)) {
    reader.refuse('type', `Nodes of type "${given}" are not available in this version`);
    return null;
  }
  const meant = meantType(reader, given);
  if (given === undefined) {
    const suggestion = meant === null ? null : `type: ${meant}`;
    reader.findings.error(reader.pointer, `A node needs a "type": one of ${TYPES.join(', ')}`, suggestion);
  } else {
    const shown = typeof given === 'string' ? quoted(given) : kindOf(given);
    reader.refuse('type', `There is no node of type ${shown}; known are ${TYPES.join(', ')}`, meant);
  }
  return meant;
};

/** By the nearest name, else by a member that only one type has. */
const meantType = (reader: MemberReader, given: unknown): WrittenType | null => {
  const nearest = typeof given === 'string' ? nearestName(given, TYPES) : null;
  const byName = TYPES.find((type) => type === nearest);
  return byName ?? TYPES.find((type) => OWN_MEMBERS[type].some((member) => reader.has(member))) ?? null;
};

const readName = (reader: MemberReader): string | null => {
  const name = reader.string('name', Number.POSITIVE_INFINITY);
  if (name === undefined || NAME.test(name)) return name ?? null;
  reader.refuse(
    'name',
    `${quoted(name)} is no name: 1 to 64 letters, digits, "_" and "-", a letter first`,
    asName(name),
  );
  return null;
};

/** The name that remains when all that a name may not hold is taken away. */
const asName = (text: string): string | null => {
  const name = text
    .trim()
    .replaceAll(/[^A-Za-z0-9_-]+/g, '-')
    .replace(/^[^A-Za-z]+/, '')
    .slice(0, 64)
    .replace(/-+$/, '');
  return NAME.test(name) ? name : null;
};

/** A constant that is given instead of what flows. */
export const readPayload = (reader: MemberReader, key: string, limits: CompileLimits): JsonText | null => {
  if (!reader.has(key)) return null;
  const text = readConstant(reader.raw(key), reader.at(key), reader.findings);
  if (text === null || !isLongerThan(text, limits.payloadMaxBytes)) return text;
  reader.refuse(key, `"${key}" takes more than ${limits.payloadMaxBytes} bytes`);
  return null;
};

const readChildren = (
  reader: MemberReader,
  key: 'steps' | 'branches',
  depth: number,
  reading: TreeReading,
): readonly TreeNode[] => {
  if (!reader.has(key)) {
    reader.findings.error(reader.pointer, `"${key}" is missing: an array of nodes`);
    return [];
  }
  const list = reader.list(key) ?? [];
  if (Array.isArray(reader.raw(key)) && list.length === 0)
    reader.refuse(key, `"${key}" is empty: at least one node is needed`);
  if (key === 'branches' && list.length > reading.limits.branchesMax) {
    reader.refuse(key, `A parallel has at most ${reading.limits.branchesMax} branches, not ${list.length}`);
  }
  const children: TreeNode[] = [];
  for (const [index, value] of list.entries()) {
    if (reading.nodes > reading.limits.planNodesMax) break;
    const child = readNode(value, { pointer: below(reader.at(key), index), depth: depth + 1 }, reading);
    if (child !== null) children.push(child);
  }
  return children;
};

const readParallel = (reader: MemberReader, depth: number, reading: TreeReading): OwnFields => ({
  type: 'parallel',
  reduce: readReduce(reader) ?? 'all',
  onError: reader.oneOf('onError', ['fail-fast', 'continue']) ?? 'fail-fast',
  branches: readChildren(reader, 'branches', depth, reading),
});

const readReduce = (reader: MemberReader): Reduce | undefined => {
  const given = reader.raw('reduce');
  const isScript = given === 'script' || (typeof given === 'object' && given !== null && 'js' in given);
  if (isScript) return reader.refuse('reduce', 'Reducing by a script is not available in this version');
  return reader.oneOf('reduce', ['all', 'last', 'none']);
};

const readFail = (reader: MemberReader): OwnFields => {
  const error = reader.string('error', Number.POSITIVE_INFINITY) ?? 'Failed';
  if (!isErrorName(error))
    reader.refuse('error', `${quoted(error)} is no error name: 1 to 255 characters, no control characters or "*"`);
  const cause = reader.raw('cause') === null ? null : (reader.string('cause', CAUSE_CHARS_MAX) ?? null);
  return { type: 'fail', error, cause };
};

const readStep = (reader: MemberReader, reading: TreeReading): OwnFields => {
  const url = readStepUrl(reader, reading);
  const headers = reader.object('headers');
  const retry = reader.object('retry');
  const timeouts = reader.object('timeouts');
  if (timeouts !== undefined) refuseOtherTimeouts(timeouts);
  readCompletion(reader);
  return {
    type: 'step',
    url,
    method: reader.oneOf('method', ['GET', 'POST', 'PUT', 'PATCH', 'DELETE']) ?? 'POST',
    headers: headers === undefined ? {} : readHeaders(headers),
    contentType: readContentType(reader),
    retry: retry === undefined ? reading.retry : readRetry(retry, reading.retry),
    timeouts: timeouts === undefined ? reading.timeouts : readTimeouts(timeouts, reading.timeouts),
  };
};

/** Stands where no target can be read, so that the urls are looked at all the same. */
const NO_TARGET = 'http://target';

const readStepUrl = (reader: MemberReader, { target, findings }: TreeReading): string => {
  if (!reader.has('url')) {
    findings.error(reader.pointer, 'A step needs a "url": absolute, or relative to the target of the definition');
    return '';
  }
  const text = reader.string('url', URL_CHARS_MAX);
  if (text === undefined) return '';
  const relative = isRelativeUrl(text);
  if (relative && target === null)
    reader.refuse('url', 'The url is relative, and the definition has no "target" that it could be relative to');
  const read = relative ? readRelativeUrl(text, target ?? NO_TARGET) : readAbsoluteUrl(text);
  if (read.status === 'read') return read.url;
  reader.refuse('url', read.detail);
  return '';
};

const readContentType = (reader: MemberReader): string => {
  const text = reader.string('contentType', 255) ?? 'application/json';
  const flaw = contentTypeFlaw(text);
  if (flaw !== null) reader.refuse('contentType', flaw);
  return text;
};

const readCompletion = (reader: MemberReader): void => {
  const given = reader.raw('completion');
  if (given === 'callback' || given === 'poll') {
    reader.refuse('completion', `Completion by ${given} is not available in this version: only "answer" is`);
  } else {
    reader.oneOf('completion', ['answer']);
  }
};
