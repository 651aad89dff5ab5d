import type { Plan, PlanNode, Scope } from '#domain';
import { canonicalJson } from '#runtime';

/**
 * A plan as it is stored. Most nodes of a large plan are like the one before, so a row says only what is other there: ten
 * thousand plain steps take some 20 bytes each, where the members of the node itself take 450. Nothing is lost: a plan read is
 * equal to the plan written, and equal plans are stored as equal texts.
 */
export type StoredPlan = {
  readonly v: 1;
  readonly timeoutMs: number | null;
  readonly output?: Plan['output'];
  readonly policies: Plan['policies'];
  /** In the order of their ids. */
  readonly nodes: readonly Row[];
  /** Entry, container and slot of each. */
  readonly scopes: readonly (readonly [Scope['entry'], Scope['container'], Scope['slot']])[];
};

/**
 * The members of a node, but for its id. `next` is how many nodes further on the next one is, `scope` how much higher its scope
 * is than that of the row before, `base` what stands before `url`. A row leaves out its `type` when the row before has the same,
 * and what is as in the last row of its type; of names it leaves out the one that follows: `step8` after `step7`.
 */
type Row = {
  readonly type?: string;
  readonly name?: string;
  readonly next?: number | null;
  readonly scope?: number;
  readonly base?: string;
  readonly url?: string;
  readonly [member: string]: unknown;
};

export const toStoredPlan = ({ v, timeoutMs, output, policies, nodes, scopes }: Plan): StoredPlan => {
  const bases = basesOf(nodes);
  const latest = new Map<string | undefined, Row>();
  let before: Row = {};
  const rows = nodes.map((node, id) => {
    const row = asRow(node, nodes[id - 1], bases);
    const like = latest.get(row.type) ?? {};
    const said: Record<string, unknown> = {};
    for (const member in row) if (!isFollowing(member, row, like)) said[member] = row[member];
    if (row.type !== before.type) said['type'] = row.type;
    latest.set(row.type, row);
    before = row;
    return said;
  });
  return {
    v,
    timeoutMs,
    ...(output !== null && { output }),
    policies,
    nodes: rows,
    scopes: scopes.map(({ entry, container, slot }) => [entry, container, slot]),
  };
};

export const fromStoredPlan = ({ v, timeoutMs, output = null, policies, nodes, scopes }: StoredPlan): Plan => {
  const latest = new Map<string | undefined, Row>();
  let type: string | undefined;
  let scope = 0;
  const read = nodes.map((said, id) => {
    type = said.type ?? type;
    const like = latest.get(type) ?? {};
    const row: Row = { ...like, name: nameAfter(like.name), ...said };
    latest.set(type, row);
    const { base, url, next = null, scope: further = 0, ...members } = row;
    scope += further;
    const place = { id, scope, next: next === null ? null : id + next };
    return { ...members, ...place, ...(base === undefined || url === undefined ? {} : { url: base + url }) };
  });
  return {
    v,
    timeoutMs,
    output,
    policies,
    // What `toStoredPlan` made: nothing else writes to the streams of plans.
    nodes: read as unknown as readonly PlanNode[],
    scopes: scopes.map(([entry, container, slot]) => ({ entry, container, slot })),
  };
};

const asRow = (node: PlanNode, before: PlanNode | undefined, bases: ReadonlyMap<string, string>): Row => {
  const { id, next, scope, ...members } = node;
  const place = { next: next === null ? null : next - id, scope: scope - (before?.scope ?? 0) };
  if (members.type !== 'step') return { ...members, ...place };
  const base = bases.get(originOf(members.url)) ?? '';
  return { ...members, ...place, base, url: members.url.slice(base.length) };
};

const isFollowing = (member: string, row: Row, like: Row): boolean => {
  if (member === 'name') return row.name === nameAfter(like.name);
  const [value, known] = [row[member], like[member]];
  if (value === known || typeof value !== 'object' || typeof known !== 'object') return value === known;
  return canonicalJson(value) === canonicalJson(known);
};

/** The name with its number one higher; of one too long to be counted, no name that there is. */
const nameAfter = (name = ''): string | undefined => {
  const { before = '', number } = /^(?<before>.*?)(?<number>\d+)$/.exec(name)?.groups ?? {};
  return number === undefined ? undefined : `${before}${Number(number) + 1}`;
};

/** By origin, what its urls begin with, up to a slash: an origin and the folders that all have in common. */
const basesOf = (nodes: readonly PlanNode[]): ReadonlyMap<string, string> => {
  const bases = new Map<string, string>();
  for (const node of nodes) {
    if (node.type !== 'step') continue;
    const origin = originOf(node.url);
    const folder = node.url.slice(0, node.url.split('?', 1)[0]!.lastIndexOf('/') + 1);
    bases.set(origin, commonFolder(bases.get(origin) ?? folder, folder));
  }
  return bases;
};

/** Up to the first slash behind the host; every url of a plan has one. */
const originOf = (url: string): string => url.slice(0, url.indexOf('/', url.indexOf('//') + 2) + 1);

const commonFolder = (one: string, other: string): string => {
  let end = 0;
  while (end < one.length && one[end] === other[end]) end += 1;
  return one.slice(0, one.lastIndexOf('/', end - 1) + 1);
};
