import { describe, expect, it } from '@jest/globals';
import { compileTree } from './definition/compile-tree.js';
import { evolve } from './evolve.js';
import { onPlan } from './testing/given-when-then.js';
import { endOf, play } from './testing/play.js';
import { after, attemptStarted, attemptSucceeded, completed, outputOf, startRun } from './testing/run-facts.js';
import { Undo } from './undo.js';

const step = (name: string, rest: object = {}) => ({ type: 'step', name, url: `/${name}`, ...rest });
const rooted = (root: object, rest: object = {}) => ({ root, ...rest });

describe('a name that a node gives to what flows out of it', () => {
  const pass = (output: unknown, as?: string) => ({ type: 'pass', output, ...(as !== undefined && { as }) });
  const sequence = (...steps: object[]) => ({ type: 'sequence', steps });
  const seen = '{% $steps %}';

  it('is known to the nodes that follow, with what was mapped, the last one over the others', () => {
    const root = sequence(
      pass(1, 'one'),
      pass(2, 'two'),
      pass(3, 'one'),
      pass({ all: seen, sum: '{% $steps.one + $steps.two %}' }),
    );
    expect(endOf(play(rooted(root)))).toEqual({ all: { one: 3, two: 2 }, sum: 5 });
    expect(endOf(play(rooted(sequence(pass(1, 'one'), pass(2)), { output: '{% $steps.one %}' })))).toBe(1);
    expect(endOf(play(rooted(pass(seen, 'one'))))).toEqual({});
  });

  it('is known in its own branch at once, and around the parallel when that has ended', () => {
    const branches = [
      sequence(pass('L', 'left'), pass('{% $steps.left & $steps.right %}', 'both')),
      pass('R', 'right'),
    ];
    const root = sequence({ type: 'parallel', branches }, pass(seen));
    expect(endOf(play(rooted(root)))).toEqual({ left: 'L', both: 'L', right: 'R' });
    const doubled = { type: 'parallel', branches: [pass('L', 'same'), pass('R', 'same')] };
    expect(endOf(play(rooted(sequence(doubled, pass('{% $steps.same %}')))))).toBe('R');
  });

  it('of a container lies over those inside of it, and none of one that failed is known outside', () => {
    const inner = { ...sequence(pass(1, 'x'), pass(2, 'y')), name: 'inner', as: 'x' };
    expect(endOf(play(rooted(sequence(inner, pass(seen)))))).toEqual({ x: 2, y: 2 });
    const failing = {
      type: 'parallel',
      onError: 'continue',
      branches: [{ ...sequence(pass(1, 'x'), { type: 'fail' }), name: 'f' }],
    };
    expect(endOf(play(rooted(sequence(failing, pass(seen)))))).toEqual({});
  });

  it('is known in its item and its round alone, over those around them, and to the end of the round', () => {
    const each = sequence(pass('{% $steps.before & $item %}', 'own'), pass('{% $steps.own %}'));
    const map = sequence(
      pass('b', 'before'),
      { type: 'map', over: [1, 2], each },
      pass({ given: '{% $input %}', seen }),
    );
    expect(endOf(play(rooted(map)))).toEqual({ given: ['b1', 'b2'], seen: { before: 'b' } });
    const round = sequence(pass('{% $steps.n ? $steps.n : $round %}', 'n'), pass('{% $round %}', 'count'));
    const loop = sequence(
      { type: 'repeat', do: round, until: '{% $steps.count = 3 %}' },
      pass({ given: '{% $input %}', seen }),
    );
    expect(endOf(play(rooted(loop)))).toEqual({ given: 3, seen: {} });
  });

  it('is kept in the log with the end of its step, and taken back with a decision', () => {
    const { events } = play(rooted(step('create', { as: 'user' })), { answer: () => ({ id: 7 }) });
    expect(events.find(({ type }) => type === 'StepCompleted')).toMatchObject({ as: 'user' });
    const { plan } = compileTree(rooted(sequence({ type: 'pass', as: 'a' }, step('b', { url: 'http://b/', as: 'a' }))));
    const { run } = onPlan(plan!).given().whenSettled(startRun());
    const before = structuredClone(run);
    const undo = new Undo();
    for (const event of [
      attemptStarted('b', 1),
      attemptSucceeded('b', 1, 1),
      completed('b', outputOf(5), false, { as: 'a' }),
    ])
      evolve(run, event, after(1), undo);
    expect(run!.names.get('')!.get('a')!.text).toBe('1');
    undo.takeBack();
    expect(structuredClone(run)).toEqual(before);
  });
});
