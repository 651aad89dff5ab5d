import { compileTree, type Plan } from '#domain';
import { loadConfig } from '#runtime';
import type { Chance } from '../support/chance.js';

const RETRY = { maxAttempts: 8, initialIntervalMs: 100, maxIntervalMs: 2_000 };

const step = (name: string, more: object = {}): object => ({
  type: 'step',
  name,
  url: `/${name}`,
  retry: RETRY,
  timeouts: { connectMs: 1_000, answerMs: 2_000 },
  ...more,
});

/** What the runs of a seed are of. */
const ROOTS: readonly object[] = [
  { type: 'sequence', steps: [step('a'), step('b'), step('c')] },
  {
    type: 'sequence',
    steps: [step('a'), { type: 'parallel', branches: [step('b'), step('c'), step('d')] }, step('e')],
  },
  {
    type: 'parallel',
    onError: 'continue',
    branches: [
      { type: 'sequence', steps: [step('a'), { type: 'parallel', branches: [step('b'), step('c')] }] },
      step('d', { retry: { ...RETRY, maxAttempts: 2 } }),
    ],
  },
  {
    type: 'sequence',
    steps: [step('a', { timeouts: { connectMs: 1_000, answerMs: 1_000, stepMs: 4_000 } }), step('b')],
  },
];

/** The plan of a seed; its steps are at `target`. */
export const planOfSeed = (chance: Chance, target: string): Plan => {
  const definition = {
    target,
    root: chance.oneOf(ROOTS),
    ...(chance.yes(0.3) ? { timeouts: { timeoutMs: 30_000 } } : undefined),
  };
  const { plan, findings } = compileTree(definition, loadConfig({}).limits, definition);
  if (plan === null) throw new Error(JSON.stringify(findings));
  return plan;
};
