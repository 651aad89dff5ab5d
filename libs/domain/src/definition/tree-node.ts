import { NODE_TYPES, type NodeType, type OnError, type Reduce, type StepNode, type StepTimeouts } from '../plan.js';
import type { JsonText } from '../payload.js';
import type { RetryPolicy } from '../retry-policy.js';
import { unreachable } from '../unreachable.js';
import { readRetry, readTimeouts } from './attempt-rules.js';
import { below, quoted, type Findings } from './finding.js';
import { nearestName } from './known-name.js';
import type { CompileLimits } from './limits.js';
import { kindOf, refuse, type MemberTable, type Place } from './member-kind.js';
import { MemberReader } from './member-reader.js';
import {
  DEFAULT_CONTENT_TYPE,
  DEFAULT_ERROR,
  DEFAULT_METHOD,
  DEFAULT_ON_ERROR,
  DEFAULT_REDUCE,
  LATER_NODE_MEMBERS,
  LATER_TYPES,
  NODES,
  type StepValues,
} from './node-members.js';
import { isRecord } from './record.js';
import { isRelativeUrl, readAbsoluteUrl, readRelativeUrl } from './step-url.js';

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
  /** The document once more, its numbers as they were written. */
  readonly written: unknown;
  /** `null`: none is given; `undefined`: it is wrong, so that relative urls are not to blame. */
  readonly target: string | null | undefined;
  readonly retry: RetryPolicy;
  readonly timeouts: StepTimeouts;
  nodes: number;
};

/** Reads a node and all below it. `depth` counts from 1; `null` stands for what is no node at all. */
export const readNode = (
  value: unknown,
  { pointer, depth }: { readonly pointer: string; readonly depth: number },
  reading: TreeReading,
): TreeNode | null => {
  const { findings, limits, written } = reading;
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
  const place = { pointer, label: 'This', findings, limits, written };
  if (!isRecord(value)) {
    refuse(place, `This must be an object, not ${kindOf(value)}`);
    return null;
  }
  const type = readType(value, place);
  const own: OwnFields = type === null ? { type: 'unreadable' } : readOwn(type, { value, place, depth }, reading);
  const common = MemberReader.over(value, place, NODES.pass);
  common.read('comment');
  return {
    pointer,
    name: common.readOr('name', null),
    input: common.readOr('input', null),
    output: common.readOr('output', null),
    own,
  };
};

type Written = { readonly value: Readonly<Record<string, unknown>>; readonly place: Place; readonly depth: number };

const readOwn = (type: NodeType, written: Written, reading: TreeReading): OwnFields => {
  switch (type) {
    case 'step':
      return readStep(checked(written, NODES.step), reading);
    case 'sequence': {
      const reader = checked(written, NODES.sequence);
      return { type, steps: readChildren(reader.read('steps'), reader.at('steps'), written.depth, reading) };
    }
    case 'parallel': {
      const reader = checked(written, NODES.parallel);
      return {
        type,
        reduce: reader.readOr('reduce', DEFAULT_REDUCE),
        onError: reader.readOr('onError', DEFAULT_ON_ERROR),
        branches: readChildren(reader.read('branches'), reader.at('branches'), written.depth, reading),
      };
    }
    case 'fail': {
      const reader = checked(written, NODES.fail);
      return { type, error: reader.readOr('error', DEFAULT_ERROR), cause: reader.readOr('cause', null) };
    }
    case 'pass':
    case 'succeed':
      checked(written, NODES[type]);
      return { type };
    default:
      return unreachable(type);
  }
};

const checked = <Values>({ value, place }: Written, table: MemberTable<Values>): MemberReader<Values> => {
  const reader = MemberReader.over(value, place, table);
  reader.check(LATER_NODE_MEMBERS);
  return reader;
};

/** The type of a node, or the one that was meant, so that a misspelt type hides nothing below it; `null`: no guess. */
const readType = (value: Readonly<Record<string, unknown>>, place: Place): NodeType | null => {
  const given = value['type'];
  const known = NODE_TYPES.find((type) => type === given);
  if (known !== undefined) return known;
  const at = { ...place, pointer: below(place.pointer, 'type') };
  if (typeof given === 'string' && LATER_TYPES.includes(given)) {
    refuse(at, `Nodes of type "${given}" are not available in this version`);
    return null;
  }
  const meant = meantType(value);
  if (given === undefined) {
    const suggestion = meant === null ? null : `type: ${meant}`;
    refuse(place, `A node needs a "type": one of ${NODE_TYPES.join(', ')}`, suggestion);
  } else {
    const shown = typeof given === 'string' ? quoted(given) : kindOf(given);
    refuse(at, `There is no node of type ${shown}; known are ${NODE_TYPES.join(', ')}`, meant);
  }
  return meant;
};

/** By the nearest name, else by a member that only one type has. */
const meantType = (value: Readonly<Record<string, unknown>>): NodeType | null => {
  const given = value['type'];
  const nearest = typeof given === 'string' ? nearestName(given, NODE_TYPES) : null;
  const byName = NODE_TYPES.find((type) => type === nearest);
  if (byName !== undefined) return byName;
  const members = Object.keys(value).filter((member) => !Object.hasOwn(NODES.pass, member));
  return NODE_TYPES.find((type) => members.some((member) => Object.hasOwn(NODES[type], member))) ?? null;
};

const readChildren = (
  list: readonly unknown[] | undefined,
  { pointer }: Place,
  depth: number,
  reading: TreeReading,
): readonly TreeNode[] => {
  const children: TreeNode[] = [];
  for (const [index, value] of (list ?? []).entries()) {
    if (reading.nodes > reading.limits.planNodesMax) break;
    const child = readNode(value, { pointer: below(pointer, index), depth: depth + 1 }, reading);
    if (child !== null) children.push(child);
  }
  return children;
};

const readStep = (reader: MemberReader<StepValues>, reading: TreeReading): OwnFields => {
  const url = readStepUrl(reader, reading);
  const headers = reader.readOr('headers', {});
  const retry = reader.read('retry');
  const timeouts = reader.read('timeouts');
  reader.read('completion');
  return {
    type: 'step',
    url,
    method: reader.readOr('method', DEFAULT_METHOD),
    headers,
    contentType: reader.readOr('contentType', DEFAULT_CONTENT_TYPE),
    retry: retry === undefined ? reading.retry : readRetry(retry, reading.retry),
    timeouts: timeouts === undefined ? reading.timeouts : readTimeouts(timeouts, reading.timeouts),
  };
};

/** Stands where no target can be read, so that the urls are looked at all the same. */
const NO_TARGET = 'http://target';

const readStepUrl = (reader: MemberReader<StepValues>, { target }: TreeReading): string => {
  const text = reader.read('url');
  if (text === undefined) return '';
  const relative = isRelativeUrl(text);
  if (relative && target === null)
    refuse(reader.at('url'), 'The url is relative, and the definition has no "target" that it could be relative to');
  const read = relative ? readRelativeUrl(text, target ?? NO_TARGET) : readAbsoluteUrl(text);
  if (read.status === 'read') return read.url;
  refuse(reader.at('url'), read.detail);
  return '';
};
