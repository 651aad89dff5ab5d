import { readRetry, readTimeouts, retry, stepTimeouts } from '../definition/attempt-rules.js';
import { choice, optional, refuse, required, type Kind, type MemberTable } from '../definition/member-kind.js';
import type { MemberReader } from '../definition/member-reader.js';
import { commonMembers, type CommonValues } from '../definition/node-members.js';
import { contentType, headers } from '../definition/step-headers.js';
import { queryMembers } from '../definition/step-query.js';
import { behindTarget, isRelativeUrl, readAbsoluteUrl, readRelativeUrl, stepUrl } from '../definition/step-url.js';
import type { TreeReading } from '../definition/tree-reading.js';
import type { StepEntered } from '../events.js';
import { partsOf } from '../expressions/computed.js';
import { computedUrl, isLone, urlExpressions, withPlaceholders } from '../expressions/request-url.js';
import type { StepNode, StepTimeouts } from '../plan.js';
import type { RetryPolicy } from '../retry-policy.js';
import { missing } from '../unreachable.js';
import { LEAF, NONE, type NodeKind } from './node-kind.js';

type Values = CommonValues & {
  readonly url: string;
  readonly query: StepNode['query'];
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

const DEFAULT_METHOD: StepNode['method'] = 'POST';
const DEFAULT_CONTENT_TYPE = 'application/json';

const MEMBERS: MemberTable<Values> = {
  ...commonMembers('step', 'Sends a request to the application; its answer is the output.'),
  url: required(
    stepUrl,
    'Where the request goes: an absolute url, or a path below the target of the definition. Expressions in it are escaped.',
    'A step needs a "url": absolute, or relative to the target of the definition',
  ),
  query: optional(
    queryMembers,
    'Members of the query of the url. A list repeats its member, null leaves it out, an object is sent as JSON.',
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

/** Stands where no target can be read, so that the urls are looked at all the same. */
const NO_TARGET = 'http://target';

const readStepUrl = (reader: MemberReader<Values>, { target }: TreeReading): string => {
  const text = reader.read('url');
  if (text === undefined) return '';
  const parts = partsOf(text);
  // Where it leads is known when it is computed.
  if (isLone(parts)) return text;
  const plain = withPlaceholders(parts);
  const relative = isRelativeUrl(plain);
  if (relative && target === null)
    refuse(reader.at('url'), 'The url is relative, and the definition has no "target" that it could be relative to');
  const read = relative ? readRelativeUrl(plain, target ?? NO_TARGET) : readAbsoluteUrl(plain);
  if (read.status !== 'read') {
    refuse(reader.at('url'), read.detail);
    return '';
  }
  if (parts.length === 1) return read.url;
  if (!relative && !/^https?:\/\/[^/]+\//i.test(parts[0] ?? '')) {
    refuse(reader.at('url'), 'The host of a url is not computed: write it out, or make the whole url one expression');
    return '';
  }
  return relative ? behindTarget(text, target ?? NO_TARGET) : text;
};

/** One object a node, however many runs enter it: whoever writes it as text may keep that text by its identity. */
const requests = new WeakMap<StepNode, NonNullable<StepEntered['request']>>();

const requestOf = (node: StepNode): NonNullable<StepEntered['request']> => {
  const known = requests.get(node);
  if (known !== undefined) return known;
  const { method, url, headers, contentType } = node;
  const request = { method, url, headers, contentType };
  requests.set(node, request);
  return request;
};

export const stepKind: NodeKind<StepNode> = {
  ...LEAF,
  members: MEMBERS,
  read: (written) => {
    const { reading } = written;
    const reader = written.members(MEMBERS);
    const url = readStepUrl(reader, reading);
    const given = {
      headers: reader.readOr('headers', {}),
      retry: reader.read('retry'),
      timeouts: reader.read('timeouts'),
    };
    reader.read('completion');
    return {
      own: {
        type: 'step',
        url,
        target: isLone(partsOf(url)) ? (reading.target ?? null) : null,
        query: reader.read('query') ?? null,
        method: reader.readOr('method', DEFAULT_METHOD),
        headers: given.headers,
        contentType: reader.readOr('contentType', DEFAULT_CONTENT_TYPE),
        policy: reading.policies.idOf({
          retry: given.retry === undefined ? reading.retry : readRetry(given.retry, reading.retry),
          timeouts: given.timeouts === undefined ? reading.timeouts : readTimeouts(given.timeouts, reading.timeouts),
        }),
      },
      children: NONE,
    };
  },
  plan: (own) => own,

  awaits: 'attempt',
  outcome: (_node, { key, outputRef }) => {
    const { revision, pointer } = outputRef ?? missing(`the answer of step ${key}`);
    return { revision, pointer };
  },
  request: (node) => (urlExpressions(node) === null ? requestOf(node) : null),
  asks: (node) => {
    const expressions = urlExpressions(node);
    return expressions === null ? null : { expressions, mode: 'all' };
  },
  values: (node, _step, values) => {
    const computed = computedUrl(node, values);
    return 'error' in computed ? computed : { request: { ...requestOf(node), url: computed.url } };
  },
  limits: ({ policy }, { policies }) => {
    const { timeouts, retry } = policies[policy] ?? missing(`policy ${policy} of the plan`);
    return { openMs: timeouts.stepMs, attemptsMs: retry.totalTimeoutMs };
  },
};
