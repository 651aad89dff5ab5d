import { describe, expect, it } from '@jest/globals';
import type { RunEvent } from './events.js';
import { evolve } from './evolve.js';
import type { RunState } from './run-state.js';
import { onPlan } from './testing/given-when-then.js';
import {
  after,
  completed,
  entering,
  inputOf,
  outputOf,
  RUN_INPUT,
  runCompleted,
  started,
} from './testing/run-facts.js';
import { parallel, planOf, sequence, step } from './testing/tree-plans.js';

const plan = planOf(sequence(step('a'), parallel({ name: 'p' }, step('x'), step('y'))));
const entered = entering(plan);
const folded = (...history: readonly RunEvent[]): RunState => onPlan(plan).given(...history).run!;

describe('a scope that is no container’s', () => {
  it.each([
    [[], 'p.x', 'p', 0],
    [[entered('p')], 'p.x', 'p', 2],
    [[entered('p')], 'p.x', 'p', -1],
    [[entered('a')], 'a.x', 'a', 0],
  ] as const)('stops the fold by name', (before, key, parent, slot) => {
    for (const event of [
      { ...entered('p.x'), step: key, parent, slot },
      { type: 'StepSkipped', step: key, node: 2, name: 'x', kind: 'step', parent, slot } as const,
    ]) {
      const run = folded(started(), ...before);
      expect(() => evolve(run, event as RunEvent, after(0))).toThrow(
        `scope ${parent}#${slot}, where ${key} is entered, is missing`,
      );
    }
  });
});

describe('a payload that is not in the stream', () => {
  it.each<RunEvent>([
    entered('p', outputOf(99)),
    completed('a', { revision: 0, pointer: '/input/nobody' }),
    completed('a', { all: [RUN_INPUT, inputOf(0), outputOf(0)] }),
    runCompleted(outputOf(1)),
  ])('stops the fold by name: $type', (event) => {
    const run = folded(started(), entered('a'));
    expect(() => evolve(run, event, after(0))).toThrow(/the payload .* of revision \d+ is missing/);
  });
});
