import { expect, it } from '@jest/globals';
import { DEFAULT_RETRY } from '../retry-policy.js';
import { DEFAULT_TIMEOUTS } from './attempt-rules.js';
import { compileTree } from './compile-tree.js';

it('merges policies member by member, step, then definition, then default, and has each once', () => {
  const retry = { maxAttempts: 3, schedule: [100, 200], retryOn: ['HTTP.*'], retryAfterMaxMs: 0 };
  const said = [
    {},
    { retry: { maxAttempts: 7, retryOn: null } },
    { retry: { backoffRate: 3 } },
    { retry: { retryOn: null, maxAttempts: 7 } },
    { timeouts: { stepMs: 5 } },
    { retry: { maxAttempts: 3 }, timeouts: {} },
  ];
  const steps = said.map((more) => ({ type: 'step', url: 'http://a.test/', ...more }));
  const { nodes, policies } = compileTree({ retry, root: { type: 'sequence', steps } }).plan!;
  expect(nodes.map((node) => node.type === 'step' && node.policy)).toEqual([0, 1, 2, 1, 3, 0]);
  const timeouts = DEFAULT_TIMEOUTS;
  expect(policies).toEqual([
    { retry: { ...DEFAULT_RETRY, ...retry }, timeouts },
    { retry: { ...DEFAULT_RETRY, ...retry, maxAttempts: 7, retryOn: null }, timeouts },
    { retry: { ...DEFAULT_RETRY, ...retry, backoffRate: 3, schedule: null }, timeouts },
    { retry: { ...DEFAULT_RETRY, ...retry }, timeouts: { ...timeouts, stepMs: 5 } },
  ]);
});
