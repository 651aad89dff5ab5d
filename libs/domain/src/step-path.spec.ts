import { describe, expect, it } from '@jest/globals';
import { findStepPath, stepKeys } from './step-path.js';
import { named, parallel, pass, planOf, sequence, step } from './testing/tree-plans.js';

const plan = planOf(
  sequence(
    step('first'),
    named('group', step('inner'), parallel({ name: 'both' }, step('left'), named('right', pass('deep')))),
    step('inner'),
  ),
);

describe('stepKeys', () => {
  it('joins the names of the containers and the step’s own, in the order of the nodes', () => {
    expect(stepKeys(plan)).toEqual([
      'first',
      'group',
      'group.inner',
      'group.both',
      'group.both.left',
      'group.both.right',
      'group.both.right.deep',
      'inner',
    ]);
  });
});

describe('findStepPath', () => {
  const path = (key: string) => {
    const found = findStepPath(plan, key);
    return found === null ? null : [...found];
  };

  it('finds every key of the plan, and nothing else', () => {
    const last = (key: string) => path(key)?.at(-1)?.[1];
    expect(stepKeys(plan).map(last)).toEqual(plan.nodes.map((node) => node.id));
    for (const key of ['', 'deep', 'group.', '.group', 'group.left', 'first.inner', 'group.both.right.deep.deeper']) {
      expect([key, path(key)]).toEqual([key, null]);
    }
  });

  it('names the node to enter in each scope on the way', () => {
    expect(path('group.both.right.deep')).toEqual([
      [0, 1],
      [1, 3],
      [3, 5],
      [4, 6],
    ]);
  });

  it('tells steps of one name in different containers apart', () => {
    expect(path('group.inner')).toEqual([
      [0, 1],
      [1, 2],
    ]);
    expect(path('inner')).toEqual([[0, 7]]);
  });
});
