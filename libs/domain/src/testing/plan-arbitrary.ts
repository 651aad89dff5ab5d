import fc from 'fast-check';
import { compileTree } from '../definition/compile-tree.js';
import type { Plan } from '../plan.js';

/** A node of a tree document, as its author writes it. */
export type DocumentNode = { readonly type: string; readonly name?: string; readonly [member: string]: unknown };
/** The same before it is cut to size: `name` says whether it wants one. */
type Sketch = { readonly type: string; readonly name?: boolean; readonly [member: string]: unknown };
/** A document of the tree format. */
export type TreeDocument = { readonly root: DocumentNode; readonly [member: string]: unknown };

const NODES_MAX = 30;

const sometimes = <Value>(arbitrary: fc.Arbitrary<Value>): fc.Arbitrary<Value | undefined> =>
  fc.oneof({ weight: 3, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary });

/** Leaves out members that are not given, as an author does. */
const compact = <Members extends Record<string, unknown>>(members: Members): Members =>
  // `as`: only members that are `undefined` go.
  Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as Members;

const constant = fc.oneof(fc.constant(null), fc.integer(), fc.constantFrom('text', [], { id: 7 }, [1, { a: null }]));

const common = {
  name: fc.boolean(),
  input: sometimes(constant),
  output: sometimes(constant),
  as: sometimes(fc.constantFrom('one', 'two')),
};

const retry = fc
  .record({
    maxAttempts: fc.integer({ min: 1, max: 4 }),
    initialIntervalMs: sometimes(fc.integer({ min: 0, max: 2_000 })),
    backoffRate: sometimes(fc.constantFrom(1, 1.5, 2)),
    maxIntervalMs: sometimes(fc.integer({ min: 0, max: 5_000 })),
    jitter: sometimes(fc.constantFrom('full', 'equal', 'none')),
    schedule: sometimes(fc.array(fc.integer({ min: 0, max: 3_000 }), { minLength: 1, maxLength: 3 })),
    retryOn: sometimes(fc.constantFrom(['HTTP.503'], ['HTTP.*', 'Stepwell.*'], [])),
    doNotRetryOn: sometimes(fc.constantFrom(['HTTP.500'], ['Custom*'])),
    honourRetryAfter: sometimes(fc.boolean()),
    retryAfterMaxMs: sometimes(fc.integer({ min: 0, max: 5_000 })),
    totalTimeoutMs: sometimes(fc.integer({ min: 1, max: 10_000 })),
    // Not as seldom as the others: attempts of unknown outcome are seldom themselves.
    onUnknown: fc.constantFrom(undefined, 'retry', 'fail', 'fail'),
  })
  .map(compact);

const step = fc.record({
  type: fc.constant('step'),
  ...common,
  url: fc.constantFrom('/steps/a', '/steps/b?x=1', 'steps/c', 'https://other.test/d'),
  method: sometimes(fc.constantFrom('GET', 'POST', 'PUT', 'PATCH', 'DELETE')),
  headers: sometimes(fc.constantFrom({ 'X-Team': 'growth' }, {})),
  contentType: sometimes(fc.constantFrom('application/json', 'text/plain; charset=utf-8')),
  retry: sometimes(retry),
  timeouts: sometimes(fc.record({ stepMs: fc.integer({ min: 1, max: 8_000 }) })),
});

const { node } = fc.letrec<{ node: Sketch }>((tie) => {
  const children = fc.array(tie('node'), { minLength: 1, maxLength: 6 });
  const leaf: fc.Arbitrary<Sketch> = fc.oneof(
    { weight: 12, arbitrary: step },
    { weight: 3, arbitrary: fc.record({ type: fc.constant('pass'), ...common }) },
    { weight: 1, arbitrary: fc.record({ type: fc.constant('succeed'), ...common }) },
    {
      weight: 1,
      arbitrary: fc.record({
        type: fc.constant('fail'),
        ...common,
        error: sometimes(fc.constant('Custom')),
        cause: sometimes(fc.constant('because')),
      }),
    },
  );
  const container: fc.Arbitrary<Sketch> = fc.oneof(
    fc.record({ type: fc.constant('sequence'), steps: children }),
    fc.record({ type: fc.constant('sequence'), ...common, steps: children }),
    fc.record({
      type: fc.constant('parallel'),
      ...common,
      branches: children,
      reduce: sometimes(fc.constantFrom('all', 'last', 'none')),
      onError: sometimes(fc.constantFrom('fail-fast', 'continue')),
    }),
  );
  return { node: fc.oneof({ maxDepth: 5, depthSize: 'medium' }, leaf, { weight: 2, arbitrary: container }) };
});

/** Keeps the first nodes of a tree, at least one in each container, and numbers those that want a name. */
const numbered = (root: Sketch): DocumentNode => {
  let nodes = 0;
  let names = 0;
  const visit = (from: Sketch): DocumentNode => {
    nodes += 1;
    const { name, ...rest } = from;
    const kept = (list: unknown): readonly DocumentNode[] | undefined => {
      if (!Array.isArray(list)) return undefined;
      // `as`: lists of this arbitrary hold nodes.
      const [first, ...others] = list as [Sketch, ...Sketch[]];
      const visited = [visit(first)];
      for (const other of others) if (nodes < NODES_MAX - 5) visited.push(visit(other));
      return visited;
    };
    return compact({
      ...rest,
      type: from.type,
      name: name ? `n${(names += 1)}` : undefined,
      steps: kept(from['steps']),
      branches: kept(from['branches']),
    });
  };
  return visit(root);
};

/** Valid tree documents of at most 30 nodes, of every kind and nested at will; some nodes are unreachable. */
export const treeDocuments: fc.Arbitrary<TreeDocument> = fc
  .record({
    target: fc.constantFrom('http://app.test:4000', 'https://app.test/base/'),
    tags: sometimes(fc.constant({ team: 'growth' })),
    retry: sometimes(retry),
    timeouts: sometimes(
      fc
        .record({
          timeoutMs: sometimes(fc.integer({ min: 1, max: 60_000 })),
          stepMs: sometimes(fc.integer({ min: 1, max: 20_000 })),
        })
        .map(compact),
    ),
    output: sometimes(constant),
    root: node.map(numbered),
  })
  .map(compact);

/** The plans of such documents. */
export const plans: fc.Arbitrary<Plan> = treeDocuments.map((document) => {
  const { plan, findings } = compileTree(document);
  if (plan === null) throw new Error(`the document should compile: ${JSON.stringify({ document, findings })}`);
  return plan;
});
