import type { Plan } from '../plan.js';
import { DEFAULT_RETRY } from '../retry-policy.js';
import { DEFAULT_TIMEOUTS, readRetry, readTimeouts } from './attempt-rules.js';
import { DEFINITION_MEMBERS, LATER_MEMBERS, type DefinitionValues } from './definition-members.js';
import { Findings, type Finding } from './finding.js';
import { DEFAULT_COMPILE_LIMITS, type CompileLimits } from './limits.js';
import { refuse } from './member-kind.js';
import { MemberReader } from './member-reader.js';
import { PolicyTable } from './policy-table.js';
import { readTarget } from './step-url.js';
import { flatten, nameNodes } from './tree-names.js';
import { readNode } from './tree-node.js';
import { planTree, warnUnreachable } from './tree-plan.js';
import type { TreeNode, TreeReading } from './tree-reading.js';

export type Compilation = {
  /** `null` when a finding is an error. */
  readonly plan: Plan | null;
  /** Default tags, merged under the run's own. */
  readonly tags: Readonly<Record<string, string>>;
  readonly description: string | null;
  readonly findings: readonly Finding[];
};

/**
 * Compiles a definition in the tree format. Total: whatever the document is, all findings come at once, each with its
 * place, and a plan when none of them is an error. The same document gives the same plan. `written` is the document once more, with
 * numbers that `JSON.stringify` writes as they stand in the definition: they are what constants are made of.
 */
export const compileTree = (
  document: unknown,
  limits: CompileLimits = DEFAULT_COMPILE_LIMITS,
  written: unknown = document,
): Compilation => {
  const findings = new Findings();
  const place = { pointer: '', label: 'This', findings, limits, written };
  const reader = MemberReader.of(document, place, DEFINITION_MEMBERS);
  if (reader === undefined || isOfLaterFormat(reader)) return failed(findings);
  reader.check(LATER_MEMBERS);
  // What is no known format is most likely a misspelt tree: the rest is read as one.
  reader.read('format');
  const description = reader.read('description') ?? null;
  const tags = reader.readOr('tags', {});
  const timeouts = reader.read('timeouts');
  const run = { timeoutMs: timeouts?.read('timeoutMs') ?? null, output: reader.read('output') ?? null };
  const retry = reader.read('retry');
  const policies = new PolicyTable();
  const root = readRoot(reader, {
    findings,
    limits,
    written,
    target: readBase(reader),
    retry: retry === undefined ? DEFAULT_RETRY : readRetry(retry, DEFAULT_RETRY),
    timeouts: timeouts === undefined ? DEFAULT_TIMEOUTS : readTimeouts(timeouts, DEFAULT_TIMEOUTS),
    policies,
    nodes: 0,
  });
  if (root === null) return failed(findings);
  const names = nameNodes(root, findings);
  warnUnreachable(flatten(root), findings);
  if (findings.hasErrors()) return failed(findings);
  return {
    plan: planTree(root, names, { ...run, policies: policies.policies }),
    tags,
    description,
    findings: findings.all(),
  };
};

const failed = (findings: Findings): Compilation => ({
  plan: null,
  tags: {},
  description: null,
  findings: findings.all(),
});

const isOfLaterFormat = (reader: MemberReader<DefinitionValues>): boolean => {
  const format = reader.raw('format');
  if (format !== 'states' && format !== 'code') return false;
  refuse(reader.at('format'), `The format "${format}" is not available in this version: only "tree" is`);
  return true;
};

const readBase = (reader: MemberReader<DefinitionValues>): string | null | undefined => {
  if (!reader.has('target')) return null;
  const text = reader.read('target');
  if (text === undefined) return undefined;
  const read = readTarget(text);
  return read.status === 'read' ? read.url : refuse(reader.at('target'), read.detail);
};

const readRoot = (reader: MemberReader<DefinitionValues>, reading: TreeReading): TreeNode | null =>
  reader.has('root') ? readNode(reader.read('root'), { pointer: '/root', depth: 1 }, reading) : null;
