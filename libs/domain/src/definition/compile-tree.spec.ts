import { describe, expect, it } from '@jest/globals';
import type { PlanNode } from '../plan.js';
import { DEFAULT_RETRY } from '../retry-policy.js';
import { compileTree } from './compile-tree.js';

const step = (fields: object = {}) => ({ type: 'step', url: '/steps/a', ...fields });
const document = (root: unknown, more: object = {}) => ({ target: 'http://app:4000', root, ...more });
const planOf = (given: unknown) => {
  const { plan, findings } = compileTree(given);
  if (plan === null) throw new Error(JSON.stringify(findings));
  return plan;
};
const steps = (given: unknown) => planOf(given).nodes.filter((node) => node.type === 'step');
const names = (nodes: readonly PlanNode[]) => nodes.map((node) => node.name);

describe('the plan of a tree', () => {
  it('is the whole plan, with every default put in', () => {
    const { plan, tags, description, findings } = compileTree({
      format: 'tree',
      description: 'Onboards a user',
      tags: { team: 'growth' },
      target: 'http://app:4000',
      timeouts: { timeoutMs: 60_000, answerMs: 10_000 },
      root: {
        type: 'sequence',
        steps: [
          { type: 'step', name: 'create-user', comment: 'first', url: '/steps/create-user' },
          {
            type: 'parallel',
            branches: [
              { type: 'step', name: 'email', url: 'steps/send-email', retry: { maxAttempts: 5 } },
              { type: 'step', name: 'analytics', url: 'https://other.test/a?b=c', method: 'PUT', input: { a: [1] } },
            ],
            reduce: 'last',
            onError: 'continue',
          },
        ],
      },
    });
    const timeouts = { connectMs: 5_000, answerMs: 10_000, stepMs: null };
    const plain = { input: null, output: null, as: null };
    const sent = { type: 'step', headers: {}, contentType: 'application/json' };
    expect({ tags, description, findings }).toEqual({
      tags: { team: 'growth' },
      description: 'Onboards a user',
      findings: [],
    });
    expect(plan).toEqual({
      v: 1,
      output: null,
      timeoutMs: 60_000,
      scopes: [
        { entry: 0, container: null, slot: null },
        { entry: 2, container: 1, slot: 0 },
        { entry: 3, container: 1, slot: 1 },
      ],
      policies: [
        { retry: DEFAULT_RETRY, timeouts },
        { retry: { ...DEFAULT_RETRY, maxAttempts: 5 }, timeouts },
      ],
      nodes: [
        {
          ...plain,
          ...sent,
          id: 0,
          name: 'create-user',
          scope: 0,
          next: 1,
          url: 'http://app:4000/steps/create-user',
          target: null,
          query: null,
          method: 'POST',
          policy: 0,
        },
        {
          ...plain,
          id: 1,
          name: 'parallel1',
          scope: 0,
          next: null,
          type: 'parallel',
          branches: [1, 2],
          reduce: 'last',
          onError: 'continue',
        },
        {
          ...plain,
          ...sent,
          id: 2,
          name: 'email',
          scope: 1,
          next: null,
          url: 'http://app:4000/steps/send-email',
          target: null,
          query: null,
          method: 'POST',
          policy: 1,
        },
        {
          ...plain,
          ...sent,
          id: 3,
          name: 'analytics',
          scope: 2,
          next: null,
          url: 'https://other.test/a?b=c',
          target: null,
          query: null,
          method: 'PUT',
          input: '{"a":[1]}',
          policy: 0,
        },
      ],
    });
  });

  it('keeps a sequence that has a name, an input or an output, and flattens one that has only a comment', () => {
    const inner = (fields: object) => ({ type: 'sequence', steps: [step()], ...fields });
    const kinds = (fields: object) =>
      planOf(document({ type: 'sequence', steps: [inner(fields), step()] })).nodes.map((node) => node.type);
    expect(kinds({ comment: 'why' })).toEqual(['step', 'step']);
    for (const fields of [{ name: 'both' }, { input: null }, { output: 0 }]) {
      expect(kinds(fields)).toEqual(['sequence', 'step', 'step']);
    }
  });

  it('numbers nodes without a name by type among their siblings, past the names that are taken', () => {
    const flat = { type: 'sequence', steps: [step(), { type: 'pass' }] };
    const plan = planOf(
      document({ type: 'sequence', steps: [step({ name: 'a' }), flat, step({ name: 'step3' }), step()] }),
    );
    expect(names(plan.nodes)).toEqual(['a', 'step2', 'pass1', 'step3', 'step4']);
    const skipping = { type: 'parallel', branches: [step(), step(), step({ name: 'step1' })] };
    expect(names(planOf(document(skipping)).nodes)).toEqual(['parallel1', 'step2', 'step3', 'step1']);
  });

  it('lets two containers have the same names inside', () => {
    const container = (name: string) => ({ type: 'sequence', name, steps: [step({ name: 'a' })] });
    expect(names(planOf(document({ type: 'sequence', steps: [container('x'), container('y')] })).nodes)).toEqual([
      'x',
      'y',
      'a',
      'a',
    ]);
  });

  it('puts relative urls behind the path of the target', () => {
    const urls = (target: string) =>
      steps({ target, root: { type: 'sequence', steps: [step(), step({ url: 'b?c=d' })] } }).map((node) => node.url);
    expect(urls('http://app:4000')).toEqual(['http://app:4000/steps/a', 'http://app:4000/b?c=d']);
    expect(urls('https://app/base/')).toEqual(['https://app/base/steps/a', 'https://app/base/b?c=d']);
  });

  it('gives headers in lower case', () => {
    expect(steps(document(step({ headers: { 'X-Team': 'growth', Authorization: 'Bearer x' } })))[0]?.headers).toEqual({
      'x-team': 'growth',
      authorization: 'Bearer x',
    });
  });

  it('leaves out what no run reaches, and says so', () => {
    const ended = { type: 'sequence', name: 'end', steps: [{ type: 'succeed' }, { type: 'pass' }] };
    const { plan, findings } = compileTree(document({ type: 'sequence', steps: [step(), ended, step(), step()] }));
    expect(names(plan?.nodes ?? [])).toEqual(['step1', 'end', 'succeed1']);
    expect(findings.map(({ severity, pointer }) => ({ severity, pointer }))).toEqual([
      { severity: 'warning', pointer: '/root/steps/2' },
      { severity: 'warning', pointer: '/root/steps/1/steps/1' },
    ]);
  });

  it('has the output of the definition, of which its nodes know nothing', () => {
    const plan = planOf(document(step(), { output: { ok: true } }));
    expect([plan.output, plan.nodes.map((node) => node.output)]).toEqual(['{"ok":true}', [null]]);
    expect(planOf(document(step(), { output: '{% $output %}' })).output).toEqual({ template: '"{% $output %}"' });
    expect(planOf(document(step(), { output: null })).output).toBe('null');
  });

  it('knows where nothing goes on: behind a choice of which every way ends', () => {
    const end = { type: 'succeed' };
    const rules = [{ when: '{% $input %}', then: end }];
    const behind = (choice: object) =>
      compileTree(document({ type: 'sequence', steps: [choice, { type: 'pass' }] })).findings.map(
        ({ pointer }) => pointer,
      );
    expect(behind({ type: 'choice', rules, otherwise: end })).toEqual(['/root/steps/1']);
    expect(behind({ type: 'choice', rules })).toEqual([]);
    expect(behind({ type: 'choice', rules, otherwise: { type: 'pass' } })).toEqual([]);
    expect(behind({ type: 'repeat', do: end, until: '{% true %}' })).toEqual(['/root/steps/1']);
    expect(behind({ type: 'map', each: end })).toEqual([]);
  });
});

describe('what is refused, and where', () => {
  const errors = (given: unknown) =>
    compileTree(given).findings.map(({ pointer, suggestion }) =>
      suggestion === null ? pointer : [pointer, suggestion],
    );
  const rooted = (root: unknown) => errors(document(root));
  const stepped = (fields: object) => rooted(step(fields));

  it.each([
    ['no object', [1], ['']],
    ['no root', { target: 'http://a' }, ['']],
    ['a root that is none', { root: 'step' }, ['/root']],
    ['a misspelt member', { rot: 1, root: { type: 'pass' } }, [['/rot', 'root']]],
    ['a format of a later version', { format: 'states', definition: {} }, ['/format']],
    ['a misspelt format', { format: 'tre', root: { type: 'pass' } }, [['/format', 'tree']]],
    ['variables and a schema', { variables: {}, input: {}, root: { type: 'pass' } }, ['/variables', '/input']],
    ['a target of another scheme', { target: 'ftp://a', root: { type: 'pass' } }, ['/target']],
    ['a short target name', { target: 'billing', root: step() }, ['/target']],
    [
      'too long a tag',
      { tags: { a: 'x'.repeat(256), 'b=c': '', d: 1, ['e'.repeat(65)]: '', 'f g': '' }, root: { type: 'pass' } },
      ['/tags/a', '/tags/b=c', '/tags/d', `/tags/${'e'.repeat(65)}`],
    ],
    [
      'too many tags',
      { tags: Object.fromEntries(Array.from({ length: 51 }, (_, n) => [`t${n}`, ''])), root: { type: 'pass' } },
      ['/tags'],
    ],
    [
      'a timeout of none at all',
      { timeouts: { timeoutMs: 0, callbackMs: 5 }, root: { type: 'pass' } },
      ['/timeouts/callbackMs', '/timeouts/timeoutMs'],
    ],
    ['an expression that is cut off', { output: { a: ['{% $x'] }, root: { type: 'pass' } }, ['/output/a/0']],
    ['an expression that is none', { output: { a: ['{% 1 + %}'] }, root: { type: 'pass' } }, ['/output/a/0']],
    ['an expression that calls', { output: '{% $sum([1]) %}', root: { type: 'pass' } }, ['/output']],
  ])('a definition with %s', (_, given, expected) => {
    expect(errors(given)).toEqual(expected);
  });

  it.each([
    ['no type', { url: '/a' }, [['/root', 'type: step']]],
    ['an unknown type', { type: 'parralel', branches: [{ type: 'pass' }] }, [['/root/type', 'parallel']]],
    ['a type of a later version', { type: 'signal', signal: 'a' }, ['/root/type']],
    ['no steps', { type: 'sequence' }, ['/root']],
    ['empty steps', { type: 'sequence', steps: [] }, ['/root/steps']],
    ['empty branches', { type: 'parallel', branches: [] }, ['/root/branches']],
    ['steps that are no array', { type: 'sequence', steps: {} }, ['/root/steps']],
    ['a step that is none', { type: 'sequence', steps: [null] }, ['/root/steps/0']],
    ['too many branches', { type: 'parallel', branches: Array(1_001).fill({ type: 'pass' }) }, ['/root/branches']],
    ['too many nodes', { type: 'sequence', steps: Array(10_001).fill({ type: 'pass' }) }, ['/root/steps/9999']],
    [
      'an unknown reducer',
      { type: 'parallel', branches: [{ type: 'pass' }], reduce: 'lst' },
      [['/root/reduce', 'last']],
    ],
    ['a script as reducer', { type: 'parallel', branches: [{ type: 'pass' }], reduce: { js: 'x' } }, ['/root/reduce']],
    ['a member of a later version', { type: 'pass', dynamic: true, catch: [] }, ['/root/dynamic', '/root/catch']],
    ['a member of another type', { type: 'pass', steps: [] }, ['/root/steps']],
    ['a bad name', { type: 'pass', name: '1 name!' }, [['/root/name', 'name']]],
    ['a name that is too long', { type: 'pass', name: 'n'.repeat(65) }, [['/root/name', 'n'.repeat(64)]]],
    ['a script as input', { type: 'pass', input: { js: '() => 1' } }, ['/root/input']],
    ['too large a constant', { type: 'pass', output: 'é'.repeat(140_000) }, ['/root/output']],
    ['a number that YAML alone can write', { type: 'pass', output: [Number.NaN] }, ['/root/output/0']],
    ['a bad error name', { type: 'fail', error: '' }, ['/root/error']],
  ])('a node with %s', (_, root, expected) => {
    expect(rooted(root)).toEqual(expected);
  });

  it.each([
    ['no url', { url: undefined }, ['/root']],
    ['another scheme', { url: 'file:///etc/passwd' }, ['/root/url']],
    ['a scheme without host', { url: 'http:evil' }, ['/root/url']],
    ['credentials', { url: 'http://user:secret@app/' }, ['/root/url']],
    ['empty credentials', { url: 'http://@app/' }, ['/root/url']],
    ['a fragment', { url: '/a#b' }, ['/root/url']],
    ['a line end', { url: 'http://app/\r\nx' }, ['/root/url']],
    ['a backslash', { url: 'http:/\\evil' }, ['/root/url']],
    ['a url that leaves the target', { url: '//evil/a' }, ['/root/url']],
    ['an expression in the url that is none', { url: '/a/{% $x + %}' }, ['/root/url']],
    ['a lower-case method', { method: 'post' }, [['/root/method', 'POST']]],
    ['a method that is none', { method: 'TRACE' }, ['/root/method']],
    ['a header twice', { headers: { 'X-A': '1', 'x-a': '2' } }, ['/root/headers/x-a']],
    ['a header with CR and LF', { headers: { a: 'b\r\nHost: c' } }, ['/root/headers/a']],
    ['a header name with a space', { headers: { 'a b': '1' } }, ['/root/headers/a b']],
    ['a number as header', { headers: { a: 1 } }, ['/root/headers/a']],
    [
      'a content type as header',
      { headers: { 'Content-Type': 'a/b' } },
      [['/root/headers/Content-Type', 'contentType']],
    ],
    ['a bad content type', { contentType: 'json' }, ['/root/contentType']],
    ['another charset', { contentType: 'text/plain; charset=utf-16' }, ['/root/contentType']],
    ['a callback', { completion: 'callback' }, ['/root/completion']],
    ['an unknown completion', { completion: 'anwser' }, [['/root/completion', 'answer']]],
    ['dynamic children', { dynamic: true }, ['/root/dynamic']],
    ['negative retries', { retry: { maxAttempts: -1 } }, ['/root/retry/maxAttempts']],
    ['too many retries', { retry: { maxAttempts: 1_001 } }, ['/root/retry/maxAttempts']],
    ['half a retry', { retry: { maxAttempts: 1.5 } }, ['/root/retry/maxAttempts']],
    ['no number', { retry: { initialIntervalMs: Number.NaN } }, ['/root/retry/initialIntervalMs']],
    ['a shrinking interval', { retry: { backoffRate: 0.5 } }, ['/root/retry/backoffRate']],
    ['a wait of years', { retry: { retryAfterMaxMs: 1e11 } }, ['/root/retry/retryAfterMaxMs']],
    ['an unknown jitter', { retry: { jitter: 'ful' } }, [['/root/retry/jitter', 'full']]],
    ['an empty schedule', { retry: { schedule: [] } }, ['/root/retry/schedule']],
    ['a bad wait', { retry: { schedule: [1, -1] } }, ['/root/retry/schedule/1']],
    ['too long a schedule', { retry: { schedule: Array(1_001).fill(1) } }, ['/root/retry/schedule']],
    [
      'bad error names',
      { retry: { retryOn: ['a*b', 1, ''] } },
      ['/root/retry/retryOn/0', '/root/retry/retryOn/1', '/root/retry/retryOn/2'],
    ],
    ['a misspelt member of retry', { retry: { maxAttempt: 1 } }, [['/root/retry/maxAttempt', 'maxAttempts']]],
    ['a timeout of zero', { timeouts: { answerMs: 0 } }, ['/root/timeouts/answerMs']],
    ['a timeout past a year', { timeouts: { stepMs: 366 * 86_400_000 + 1 } }, ['/root/timeouts/stepMs']],
    ['a misspelt timeout', { timeouts: { anwserMs: 1 } }, [['/root/timeouts/anwserMs', 'answerMs']]],
    ['a heartbeat', { timeouts: { heartbeatMs: 1 } }, ['/root/timeouts/heartbeatMs']],
  ])('a step with %s', (_, fields, expected) => {
    expect(stepped(fields)).toEqual(expected);
  });

  it.each([
    'Host',
    'connection',
    'Content-Length',
    'transfer-encoding',
    'Accept-Encoding',
    'upgrade',
    'te',
    'trailer',
    'Cookie',
    'Idempotency-Key',
    'traceparent',
    'webhook-id',
    'Stepwell-Run-Id',
    'expect',
    'keep-alive',
    'proxy-authorization',
  ])('a step that sets the header %s', (name) => {
    expect(stepped({ headers: { [name]: 'x' } })).toEqual([`/root/headers/${name}`]);
  });

  it('a relative url without a target, and the target once when it is wrong', () => {
    expect(errors({ root: step() })).toEqual(['/root/url']);
    expect(errors({ target: 'http://a b', root: { type: 'sequence', steps: [step(), step()] } })).toEqual(['/target']);
  });

  it('doubled names among siblings, flattened sequences and all branches of a parallel included', () => {
    const flat = { type: 'sequence', steps: [step({ name: 'a' })] };
    expect(rooted({ type: 'sequence', steps: [step({ name: 'a' }), flat] })).toEqual(['/root/steps/1/steps/0/name']);
    expect(rooted({ type: 'parallel', branches: [flat, step({ name: 'b' }), step({ name: 'a' })] })).toEqual([
      '/root/branches/2/name',
    ]);
  });

  it('nesting past 32 levels, and step keys past 1,024 bytes', () => {
    const nested = (levels: number, name: string | undefined): object =>
      levels === 1 ? { type: 'pass' } : { type: 'sequence', name, steps: [nested(levels - 1, name)] };
    expect(rooted(nested(32, undefined))).toEqual([]);
    expect(rooted(nested(33, undefined))).toEqual([`/root${'/steps/0'.repeat(32)}`]);
    expect(rooted(nested(16, 'n'.repeat(64)))).toEqual([]);
    expect(rooted(nested(17, 'n'.repeat(64)))).toEqual([`/root${'/steps/0'.repeat(15)}`]);
  });

  it('all findings at once, and how many are left out of a hopeless document', () => {
    const findings = compileTree({ root: { type: 'sequence', steps: Array(500).fill({ type: 'pss' }) } }).findings;
    expect(findings).toHaveLength(201);
    expect(findings.at(-1)?.detail).toBe('300 further findings are left out');
  });

  it('a wait that is cut short is a warning', () => {
    const { plan, findings } = compileTree(document(step({ retry: { initialIntervalMs: 90_000 } })));
    expect(plan).not.toBeNull();
    expect(findings).toEqual([
      {
        severity: 'warning',
        pointer: '/root/retry/initialIntervalMs',
        detail: 'initialIntervalMs (90000) is above maxIntervalMs (60000), which every wait is cut to',
        suggestion: null,
      },
    ]);
  });

  it('says of what is to come that it is not available, not that it is unknown', () => {
    const { findings } = compileTree(
      document({ type: 'sequence', steps: [{ type: 'signal' }, { type: 'pass', catch: [] }] }),
    );
    expect(findings.map(({ detail }) => detail)).toEqual([
      'Nodes of type "signal" are not available in this version',
      '"catch" is not available in this version',
    ]);
  });
});
