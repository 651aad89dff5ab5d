import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { treeDocuments, type DocumentNode } from '../testing/plan-arbitrary.js';
import { compileTree } from './compile-tree.js';
import type { Finding } from './finding.js';

const target = 'http://app:4000';
const errors = (given: unknown) =>
  compileTree(given)
    .findings.filter(({ severity }) => severity === 'error')
    .map(({ pointer, suggestion }) => (suggestion === null ? pointer : [pointer, suggestion]));

describe('all findings of a definition, in one answer', () => {
  it('holds every error, however many warnings came before it', () => {
    const steps = Array(300).fill({ type: 'step', url: 'http://a', headers: { authorization: 'a', 'x-api-key': 'k' } });
    const { findings } = compileTree({
      root: { type: 'sequence', steps: [...steps, { type: 'pss' }, { type: 'fial' }] },
    });
    expect(findings).toHaveLength(201);
    const errors = findings.filter(({ severity }) => severity === 'error').map(({ pointer }) => pointer);
    expect(errors).toEqual(expect.arrayContaining(['/root/steps/300/type', '/root/steps/301/type']));
    const { length } = findings.filter(({ severity }) => severity === 'warning');
    expect([length, findings.at(-1)?.detail]).toEqual([
      201 - errors.length,
      expect.stringMatching(/further findings are left out$/),
    ]);
  });

  it('looks below a misspelt type, and at the members that the type has', () => {
    const root = {
      type: 'seqence',
      name: '1',
      step: [],
      steps: [
        { type: 'stpe', url: '/a#b' },
        { type: 'paralel', branches: [{ type: 'fial', cuase: '' }] },
      ],
    };
    expect(errors({ target, root })).toEqual([
      ['/root/type', 'sequence'],
      ['/root/step', 'steps'],
      ['/root/steps/0/type', 'step'],
      '/root/steps/0/url',
      ['/root/steps/1/type', 'parallel'],
      ['/root/steps/1/branches/0/type', 'fail'],
      ['/root/steps/1/branches/0/cuase', 'cause'],
      '/root/name',
    ]);
  });

  it('looks at the siblings of what is no node at all, or of a later version', () => {
    const steps = [1, { type: 'pss' }, null, { type: 'signal', signal: 'a' }, { type: 'fial' }];
    expect(errors({ root: { type: 'sequence', steps } })).toEqual([
      '/root/steps/0',
      ['/root/steps/1/type', 'pass'],
      '/root/steps/2',
      '/root/steps/3/type',
      ['/root/steps/4/type', 'fail'],
    ]);
  });

  it('takes a node whose type is missing, or like no type, for what its members say', () => {
    const root = {
      type: 'sequence',
      steps: [{ branches: [{ type: 'stp', url: 'http:x' }] }, { type: 'http', url: '/a b' }, { type: 7, steps: [1] }],
    };
    expect(errors({ target, root })).toEqual([
      ['/root/steps/0', 'type: parallel'],
      ['/root/steps/0/branches/0/type', 'step'],
      '/root/steps/0/branches/0/url',
      ['/root/steps/1/type', 'step'],
      '/root/steps/1/url',
      ['/root/steps/2/type', 'sequence'],
      '/root/steps/2/steps/0',
    ]);
  });

  it('looks at every url when the target is wrong or missing', () => {
    const steps = ['/a#b', '//evil/a', '../a', 'ftp://x', '/fine'].map((url) => ({ type: 'step', url }));
    const root = { type: 'sequence', steps };
    const urls = [0, 1, 2, 3].map((index) => `/root/steps/${index}/url`);
    expect(errors({ target: 'http://a b', root })).toEqual(['/target', ...urls]);
    expect(new Set(errors({ root }))).toEqual(new Set([...urls, '/root/steps/4/url']));
  });

  it('looks at all that stands in a list or an object that has too much', () => {
    const headers = Object.fromEntries(Array.from({ length: 65 }, (_, n) => [`x-${n}`, n === 64 ? 'é' : '']));
    const retry = { schedule: [...Array<number>(1_000).fill(1), -1], retryOn: [...Array<string>(100).fill('A'), ''] };
    const branches = [...Array<object>(1_000).fill({ type: 'pass' }), { type: 'pas' }];
    const root = {
      type: 'sequence',
      steps: [
        { type: 'parallel', branches },
        { type: 'step', url: '/', headers, retry },
      ],
    };
    const tags = Object.fromEntries(Array.from({ length: 51 }, (_, n) => [`t${n}`, n === 50 ? 1 : '']));
    expect(errors({ target, tags, root })).toEqual([
      '/tags',
      '/tags/t50',
      '/root/steps/0/branches',
      ['/root/steps/0/branches/1000/type', 'pass'],
      '/root/steps/1/headers',
      '/root/steps/1/headers/x-64',
      '/root/steps/1/retry/schedule',
      '/root/steps/1/retry/schedule/1000',
      '/root/steps/1/retry/retryOn',
      '/root/steps/1/retry/retryOn/100',
    ]);
  });

  it('looks at the names below a step key that is too long, and says once that it is', () => {
    const nested = (levels: number, inside: readonly object[]): object => ({
      type: 'sequence',
      name: 'n'.repeat(64),
      steps: levels === 1 ? inside : [nested(levels - 1, inside)],
    });
    const twice = [
      { type: 'pass', name: 'twice' },
      { type: 'pass', name: 'twice' },
    ];
    expect(errors({ root: nested(18, twice) })).toEqual([
      `/root${'/steps/0'.repeat(15)}`,
      `/root${'/steps/0'.repeat(17)}/steps/1/name`,
    ]);
  });

  it('says nothing else of a misspelt type than of the right one, wherever it stands', () => {
    const nodesOf = (node: DocumentNode): DocumentNode[] => [
      node,
      ...[node['steps'], node['branches']].flatMap((list) => (Array.isArray(list) ? list.flatMap(nodesOf) : [])),
    ];
    const spoilt = treeDocuments.map((document) => ({ ...document, target: 'ftp://x', rot: 1 }));
    const bare = (findings: readonly Finding[]) => findings.map(({ pointer, detail }) => `${pointer} ${detail}`);
    fc.assert(
      fc.property(spoilt, fc.nat(), (document, pick) => {
        const misspelt = structuredClone(document);
        const nodes = nodesOf(misspelt.root);
        Object.assign(nodes[pick % nodes.length]!, { type: `${nodes[pick % nodes.length]!.type}x` });
        const before = bare(compileTree(document).findings);
        const after = bare(compileTree(misspelt).findings);
        expect(after.filter((line) => !before.includes(line))).toEqual([
          expect.stringContaining('There is no node of type'),
        ]);
        expect(before.filter((line) => !after.includes(line))).toEqual([]);
      }),
      { numRuns: 300 },
    );
  });
});

describe('what is not available yet', () => {
  it('is not listed as known', () => {
    const { findings } = compileTree({ target, roto: 1, root: { type: 'step', url: '/', dynamik: true } });
    const [top, node] = findings.map(({ detail }) => detail.split('known are ')[1]?.split(', ') ?? []);
    expect(top).toEqual(['format', 'description', 'tags', 'target', 'retry', 'timeouts', 'root', 'output']);
    expect(node).not.toContain('dynamic');
  });

  it('is said to be so, whatever it holds', () => {
    const root = { type: 'step', url: '/', dynamic: { reduce: 'all' }, timeouts: { callbackMs: 'x' } };
    const { findings } = compileTree({ target, input: 1, variables: 1, root });
    expect(findings.map(({ pointer, detail }) => [pointer, detail.includes('not available in this version')])).toEqual([
      ['/input', true],
      ['/variables', true],
      ['/root/dynamic', true],
      ['/root/timeouts/callbackMs', true],
    ]);
  });
});

describe('a relative url', () => {
  const urls = (base: string, ...given: readonly string[]) => {
    const steps = given.map((url) => ({ type: 'step', url }));
    const { plan } = compileTree({ target: base, root: { type: 'sequence', steps } });
    return plan?.nodes.map((node) => (node.type === 'step' ? node.url : null));
  };

  it.each(['../x', '/../x', 'a/../../x', '%2e%2e/x', '.%2E/x', 'a/.././../x', '..', '..?q=1'])(
    'that leaves its target by %s is a finding',
    (url) => {
      for (const base of ['http://app:4000', 'http://app:4000/base/', 'http:app']) {
        expect(errors({ target: base, root: { type: 'step', url } })).toContain('/root/url');
      }
    },
  );

  it('may go up inside its target', () => {
    expect(urls('http://app/base', 'a/../b', './c', 'd?to=../../e')).toEqual([
      'http://app/base/b',
      'http://app/base/c',
      'http://app/base/d?to=../../e',
    ]);
  });

  it('that is only a query keeps the path of the target as it is', () => {
    expect(urls('http://app/base', '?q=1')).toEqual(['http://app/base?q=1']);
    expect(urls('http://app/base/', '?q=1')).toEqual(['http://app/base/?q=1']);
    expect(urls('http://app', '?q=1', '/?q=1')).toEqual(['http://app/?q=1', 'http://app/?q=1']);
  });
});

describe('a header that holds a credential', () => {
  it('is a warning, and no more', () => {
    const headers = {
      Authorization: 'Bearer abc',
      'X-API-Key': 'a',
      'x-session-token': 'b',
      'x-client-secret': 'c',
      'x-keyboard': 'd',
      'x-tokens': 'e',
    };
    const { plan, findings } = compileTree({ target, root: { type: 'step', url: '/', headers } });
    expect(plan).not.toBeNull();
    expect(findings.map(({ severity, pointer }) => [severity, pointer])).toEqual([
      ['warning', '/root/headers/Authorization'],
      ['warning', '/root/headers/X-API-Key'],
      ['warning', '/root/headers/x-session-token'],
      ['warning', '/root/headers/x-client-secret'],
    ]);
    for (const { detail } of findings) {
      expect(detail).toContain('the log keeps it');
      expect(detail).not.toContain('Bearer abc');
    }
  });
});
