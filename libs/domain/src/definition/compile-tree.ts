import { isLongerThan } from '../payload.js';
import type { Plan, StepTimeouts } from '../plan.js';
import { DEFAULT_RETRY } from '../retry-policy.js';
import { readRetry, readRunTimeout, readTimeouts, refuseOtherTimeouts } from './attempt-rules.js';
import { below, Findings, quoted, type Finding } from './finding.js';
import { DEFAULT_COMPILE_LIMITS, type CompileLimits } from './limits.js';
import { kindOf, MemberReader } from './member-reader.js';
import { readTarget, URL_CHARS_MAX } from './step-url.js';
import { flatten, nameNodes, openStepsBytes } from './tree-names.js';
import { readNode, readPayload, type TreeNode, type TreeReading } from './tree-node.js';
import { planTree, warnUnreachable } from './tree-plan.js';

export type Compilation = {
  /** `null` when a finding is an error. */
  readonly plan: Plan | null;
  /** Default tags, merged under the run's own. */
  readonly tags: Readonly<Record<string, string>>;
  readonly description: string | null;
  readonly findings: readonly Finding[];
};

export const DEFAULT_TIMEOUTS: StepTimeouts = { connectMs: 5_000, answerMs: 30_000, stepMs: null };

const MEMBERS = ['format', 'description', 'tags', 'target', 'retry', 'timeouts', 'root', 'output'];
const LATER_MEMBERS = ['variables', 'input'];
const DESCRIPTION_CHARS_MAX = 10_000;
/** One event cancels all that is open, and an append, which holds at most 768 KiB, must hold it whole. */
const OPEN_STEPS_BYTES_MAX = 640 * 1024;

/**
 * Compiles a definition in the tree format. Total: whatever the document is, all findings come at once, each with its
 * place, and a plan when none of them is an error. The same document gives the same plan.
 */
export const compileTree = (document: unknown, limits: CompileLimits = DEFAULT_COMPILE_LIMITS): Compilation => {
  const findings = new Findings();
  const reader = MemberReader.of(document, '', findings);
  if (reader === undefined || !isTree(reader)) return failed(findings);
  reader.refuseOthers(MEMBERS, LATER_MEMBERS);
  const description = reader.prose('description', DESCRIPTION_CHARS_MAX) ?? null;
  const tags = readTags(reader, limits);
  const timeouts = reader.object('timeouts');
  if (timeouts !== undefined) refuseOtherTimeouts(timeouts, ['timeoutMs']);
  const run = {
    timeoutMs: timeouts === undefined ? null : readRunTimeout(timeouts),
    output: readPayload(reader, 'output', limits),
  };
  const root = readRoot(reader, { ...readDefaults(reader, timeouts), findings, limits, nodes: 0 });
  if (root === null) return failed(findings);
  const names = nameNodes(root, findings);
  warnUnreachable(flatten(root), findings);
  const openBytes = openStepsBytes(root, names);
  if (openBytes > OPEN_STEPS_BYTES_MAX) {
    findings.error(
      '/root',
      `The keys of all steps that can be open at one time take ${openBytes} bytes together, at most ${OPEN_STEPS_BYTES_MAX} are allowed: use shorter names, or fewer branches at once`,
    );
  }
  if (findings.hasErrors()) return failed(findings);
  const plan = planTree(root, names, run);
  if (isLongerThan(JSON.stringify(plan), limits.definitionMaxBytes)) {
    findings.error(
      '',
      `The plan of this definition, with all defaults put in, takes more than ${limits.definitionMaxBytes} bytes`,
    );
    return failed(findings);
  }
  return { plan, tags, description, findings: findings.all() };
};

const failed = (findings: Findings): Compilation => ({
  plan: null,
  tags: {},
  description: null,
  findings: findings.all(),
});

const isTree = (reader: MemberReader): boolean => {
  const format = reader.raw('format');
  if (format === 'states' || format === 'code') {
    reader.refuse('format', `The format "${format}" is not available in this version: only "tree" is`);
    return false;
  }
  // What is no known format is most likely a misspelt tree: the rest is read as one.
  reader.oneOf('format', ['tree']);
  return true;
};

const readDefaults = (
  reader: MemberReader,
  timeouts: MemberReader | undefined,
): Pick<TreeReading, 'target' | 'retry' | 'timeouts'> => {
  const retry = reader.object('retry');
  return {
    target: readBase(reader),
    retry: retry === undefined ? DEFAULT_RETRY : readRetry(retry, DEFAULT_RETRY),
    timeouts: timeouts === undefined ? DEFAULT_TIMEOUTS : readTimeouts(timeouts, DEFAULT_TIMEOUTS),
  };
};

const readBase = (reader: MemberReader): string | null | undefined => {
  if (!reader.has('target')) return null;
  const text = reader.string('target', URL_CHARS_MAX);
  if (text === undefined) return undefined;
  const read = readTarget(text);
  return read.status === 'read' ? read.url : reader.refuse('target', read.detail);
};

const readRoot = (reader: MemberReader, reading: TreeReading): TreeNode | null => {
  if (reader.has('root')) return readNode(reader.raw('root'), { pointer: '/root', depth: 1 }, reading);
  reader.findings.error('', 'A definition needs a "root": the node that a run enters first');
  return null;
};

// What a start takes as well, and a list can be asked for as name=value.
const TAG_NAME = /^[^=\p{Cc}]{1,64}$/u;
const TAG_VALUE_CHARS_MAX = 255;

const readTags = (reader: MemberReader, limits: CompileLimits): Readonly<Record<string, string>> => {
  const given = reader.object('tags')?.entries() ?? [];
  if (given.length > limits.tagsMax)
    reader.refuse('tags', `There are ${given.length} tags, at most ${limits.tagsMax} are allowed`);
  const tags: [string, string][] = [];
  for (const [name, value] of given) {
    const pointer = below(reader.at('tags'), name);
    if (!TAG_NAME.test(name)) {
      reader.findings.error(pointer, `${quoted(name)} is no name of a tag: 1 to 64 characters, no "="`);
    } else if (typeof value !== 'string' || value.length > TAG_VALUE_CHARS_MAX || /\p{Cc}/u.test(value)) {
      const shown = typeof value === 'string' ? 'this one' : kindOf(value);
      reader.findings.error(
        pointer,
        `The value of a tag must be a string of at most ${TAG_VALUE_CHARS_MAX} characters, not ${shown}`,
      );
    } else {
      tags.push([name, value]);
    }
  }
  return Object.fromEntries(tags);
};
