import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { compileTree, DEFAULT_COMPILE_LIMITS, type Plan } from '#domain';
import { MemoryEventStore } from '#event-store';
import { silentLog, systemClock, systemEntropy } from '#runtime';
import { plans } from '../../../domain/src/testing/plan-arbitrary.js';
import { Catalogue } from './catalogue.js';
import { planText } from './catalogue-event-codec.js';
import { compileDefinition } from './compile-definition.js';
import { fromStoredPlan, toStoredPlan, type StoredPlan } from './stored-plan.js';

const TARGET = 'http://app.test:4000/api';
const planOf = (root: object): Plan => compileTree({ target: TARGET, root }).plan!;
const written = (plan: Plan): StoredPlan => JSON.parse(planText(plan)) as StoredPlan;
const steps = (count: number, step: (n: number) => object) => Array.from({ length: count }, (_, n) => step(n));
const bodyOf = (document: object) => ({ document, text: JSON.stringify(document), format: 'json' as const });

describe('a plan as it is stored', () => {
  it('is read as it was written, whatever is in it', () => {
    fc.assert(
      fc.property(plans, (plan) => {
        expect(fromStoredPlan(written(plan))).toEqual(plan);
      }),
      { numRuns: 300 },
    );
  });

  it.each([
    ['no number', ['a', 'a', 'b']],
    ['numbers that count up, down and not', ['a1', 'a2', 'a2', 'a1', 'b2', 'a3']],
    ['zeros before the number', ['a01', 'a02', 'a3', 'a09', 'a10', 'a010', 'a011']],
    [
      'numbers past those that can be counted',
      ['a9007199254740991', 'a9007199254740992', 'a9007199254740993', `a${'9'.repeat(30)}`, 'a1'],
    ],
  ])('keeps names with %s', (_case, names) => {
    const { nodes } = planOf({ type: 'sequence', steps: names.map(() => ({ type: 'pass' })) });
    const plan: Plan = { ...planOf({ type: 'pass' }), nodes: nodes.map((node, n) => ({ ...node, name: names[n]! })) };
    expect(fromStoredPlan(written(plan))).toEqual(plan);
  });

  it.each([
    ['of one folder', [`${TARGET}/a`, `${TARGET}/b`]],
    ['of several folders', [`${TARGET}/a/b`, `${TARGET}/ac`, `${TARGET}/a/b?x=/1/2`, `${TARGET}/`]],
    ['of several origins', ['http://a.test/', 'http://b.test/x/y', 'http://a.test/?q=/', 'https://a.test/x']],
    ['of one alone', ['http://a.test/?to=http://b.test/x']],
  ])('keeps urls %s', (_case, urls) => {
    const plan = planOf({ type: 'sequence', steps: urls.map((url) => ({ type: 'step', url })) });
    const read = fromStoredPlan(written(plan));
    expect(read).toEqual(plan);
    expect(read.nodes.map((node) => node.type === 'step' && node.url)).toEqual(urls);
  });

  it('says in a row only what is other than before', () => {
    const branches = [
      { type: 'step', url: '/a' },
      { type: 'step', url: '/b' },
      { type: 'pass' },
      { type: 'step', url: '/b', input: 1 },
      { type: 'step', name: 'x', url: '/b' },
    ];
    expect(toStoredPlan(planOf({ type: 'parallel', branches }))).toMatchObject({
      nodes: [
        { type: 'parallel', name: 'parallel1', branches: [1, 2, 3, 4, 5], next: null, scope: 0 },
        { type: 'step', name: 'step1', base: `${TARGET}/`, url: 'a', input: null, next: null, scope: 1 },
        { url: 'b' },
        { type: 'pass', name: 'pass1' },
        { type: 'step', input: '1' },
        { name: 'x', input: null },
      ],
    });
    expect(toStoredPlan(planOf({ type: 'parallel', branches })).nodes.slice(2)).toEqual([
      { url: 'b' },
      { type: 'pass', name: 'pass1', input: null, output: null, as: null, next: null, scope: 1 },
      { type: 'step', input: '1' },
      { name: 'x', input: null },
    ]);
  });

  it('keeps which node computes what flows out, and that the one after it does not', () => {
    const { nodes, ...plan } = planOf({ type: 'sequence', steps: [{ type: 'pass' }, { type: 'pass' }] });
    const computing: Plan = {
      ...plan,
      nodes: nodes.map((node) => (node.id === 0 ? { ...node, output: { js: '1' } } : node)),
    };
    expect(fromStoredPlan(toStoredPlan(computing))).toEqual(computing);
    expect(computing.nodes.map((node) => node.output)).toEqual([{ js: '1' }, null]);
  });

  it('is one text for equal plans', () => {
    const plan = planOf({
      type: 'sequence',
      steps: steps(2, () => ({ type: 'step', url: '/', headers: { a: '1', b: '2' } })),
    });
    const [first, second] = plan.nodes;
    const respelt = { ...plan, nodes: [first!, { ...second!, headers: { b: '2', a: '1' } }] } as Plan;
    expect(respelt).toEqual(plan);
    expect(planText(respelt)).toBe(planText(plan));
  });
});

describe('a definition of 10,000 nodes', () => {
  const sequence = (count: number, step: (n: number) => object) => ({
    type: 'sequence',
    steps: steps(count, step),
  });
  const parallels = {
    type: 'sequence',
    steps: steps(9, () => ({ type: 'parallel', branches: steps(1_000, () => ({ type: 'step', url: '/charge' })) })),
  };

  it.each<[string, object, number]>([
    ['plain steps of one url', sequence(9_999, () => ({ type: 'step', url: '/charge' })), 3],
    ['plain steps of many urls', sequence(9_999, (n) => ({ type: 'step', url: `/charge-${n}` })), 22],
    ['named steps', sequence(9_999, (n) => ({ type: 'step', name: `c${n}x`, url: '/c' })), 18],
    ['steps side by side', parallels, 19],
    [
      'steps of two policies',
      sequence(9_000, (n) => ({ type: 'step', url: '/', retry: { maxAttempts: 2 + (n % 2) } })),
      12,
    ],
  ])('fits, be it of %s', async (_case, root, bytesEach) => {
    const body = bodyOf({ target: TARGET, root });
    const compiled = compileDefinition(body, DEFAULT_COMPILE_LIMITS);
    if (compiled.status !== 'compiled') throw new Error(JSON.stringify(compiled.findings));
    expect(Math.round(planText(compiled.plan).length / 10_000)).toBe(bytesEach);
    const store = new MemoryEventStore();
    const catalogue = new Catalogue(store, systemClock, systemEntropy, silentLog, DEFAULT_COMPILE_LIMITS);
    await catalogue.start();
    try {
      expect(await catalogue.publish('large', body)).toMatchObject({ status: 'created' });
      const found = await catalogue.planFor('large', 1);
      expect(found).toMatchObject({ status: 'found', plan: compiled.plan });
    } finally {
      await catalogue.stop();
    }
  });

  it('is refused by name when what is stored of it is too large, to the byte', () => {
    const document = { root: { type: 'parallel', branches: steps(900, () => ({ type: 'pass' })) } };
    const body = bodyOf(document);
    const bytes = planText(compileTree(document).plan!).length;
    expect(bytes).toBeGreaterThan(body.text.length);
    const compiled = (definitionMaxBytes: number) =>
      compileDefinition(body, { ...DEFAULT_COMPILE_LIMITS, definitionMaxBytes });
    expect(compiled(bytes).status).toBe('compiled');
    expect(compiled(bytes - 1)).toMatchObject({
      status: 'invalid',
      findings: [{ severity: 'error', pointer: '', detail: expect.stringContaining(`${bytes} bytes`) as unknown }],
    });
  });
});
