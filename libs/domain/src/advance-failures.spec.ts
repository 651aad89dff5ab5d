import { describe, expect, it } from '@jest/globals';
import { onPlan } from './testing/given-when-then.js';
import {
  ADVANCE,
  after,
  attemptFailed,
  attemptStarted,
  attemptSucceeded,
  cancelled,
  completeAttempt,
  completed,
  entering,
  failAttempt,
  failed,
  HTTP_503,
  inputOf,
  joinOf,
  outputOf,
  RUN_INPUT,
  runCompleted,
  runFailed,
  started,
  startRun,
} from './testing/run-facts.js';
import { fail, json, named, parallel, pass, planOf, sequence, step, type Tree } from './testing/tree-plans.js';
import type { RunEvent } from './events.js';

const setUp = (tree: Tree) => {
  const plan = planOf(tree);
  const spec = onPlan(plan);
  return { entered: entering(plan), given: spec.given, whenStarted: () => spec.given().whenSettled(startRun()) };
};
const skipped = (step: string, node: number, slot: number, kind: 'step' | 'sequence' = 'step'): RunEvent => ({
  type: 'StepSkipped',
  step,
  node,
  name: step.split('.').at(-1) ?? '',
  kind,
  parent: step.split('.').slice(0, -1).join('.'),
  slot,
});
const OUT = { name: 'OutOfStock', cause: null };

describe('a failure in a parallel with onError: fail-fast', () => {
  it('cancels every other branch, abandons its attempts in flight, and fails the parallel and the run', () => {
    const { given, entered } = setUp(
      sequence(parallel({ name: 'p' }, step('a'), step('b'), named('c', step('d')), pass('e')), step('z')),
    );
    given(
      started(),
      entered('p'),
      entered('p.a'),
      entered('p.b'),
      entered('p.c'),
      entered('p.e'),
      entered('p.c.d'),
      completed('p.e', RUN_INPUT, true),
      attemptStarted('p.a', 1),
      attemptStarted('p.b', 1),
      attemptStarted('p.c.d', 1),
      attemptFailed('p.b', 1, after(500)),
    )
      .whenSettled(failAttempt('p.a', 1, { retryable: false }))
      .thenEvents(
        attemptFailed('p.a', 1, null),
        failed('p.a', HTTP_503),
        cancelled('p', 'step p.a failed: HTTP.503', ['p.c.d', 1]),
        failed('p', HTTP_503),
        runFailed('p', HTTP_503),
      );
  });

  it('is settled by the first failure that moves; another one of the same append goes no further', () => {
    const { given, entered } = setUp(parallel({ name: 'p' }, step('a'), named('b', step('c'))));
    const reached = [started(), entered('p'), entered('p.a'), entered('p.b'), entered('p.b.c')];
    given(...reached, failed('p.b.c', HTTP_503), failed('p.a', OUT))
      .whenSettled(ADVANCE)
      .thenEvents(failed('p.b', HTTP_503), failed('p', OUT), runFailed('p', OUT));
  });

  it('rejects the late answer of an abandoned attempt while the run goes on elsewhere', () => {
    const { given, entered } = setUp(
      parallel(
        { name: 'outer', onError: 'continue' },
        parallel({ name: 'p' }, step('a'), fail('b', 'OutOfStock')),
        step('x'),
      ),
    );
    given(
      started(),
      entered('outer'),
      entered('outer.p'),
      entered('outer.x'),
      entered('outer.p.a'),
      attemptStarted('outer.p.a', 1),
      entered('outer.p.b'),
      failed('outer.p.b', OUT),
      cancelled('outer.p', 'step outer.p.b failed: OutOfStock', ['outer.p.a', 1]),
      failed('outer.p', OUT, true),
    )
      .when(completeAttempt('outer.p.a', 1))
      .thenRejected({ code: 'stale-attempt', step: 'outer.p.a', attempt: 1 });
  });
});

describe('a failure in a parallel with onError: continue', () => {
  it('ends its branch with null and leaves the others alone', () => {
    const { given, entered } = setUp(
      parallel({ name: 'p', onError: 'continue' }, sequence(step('a'), step('z')), step('b')),
    );
    const open = [
      started(),
      entered('p'),
      entered('p.a'),
      entered('p.b'),
      attemptStarted('p.a', 1),
      attemptStarted('p.b', 1),
    ];
    given(...open)
      .whenSettled(failAttempt('p.a', 1, { retryable: false }))
      .thenEvents(attemptFailed('p.a', 1, null), failed('p.a', HTTP_503, true));
    const outcome = given(...open, attemptFailed('p.a', 1, null), failed('p.a', HTTP_503, true)).whenSettled(
      completeAttempt('p.b', 1, 'B'),
    );
    outcome.thenEvents(
      attemptSucceeded('p.b', 1, 'B'),
      completed('p.b', outputOf(8), true),
      completed('p', { all: [null, outputOf(8)] }),
      runCompleted(joinOf(10)),
    );
    expect(outcome.run?.output).toBe(json([null, 'B']));
  });

  it('reduces to null when the last branch by position failed', () => {
    const tree = parallel({ name: 'p', onError: 'continue', reduce: 'last' }, pass('a'), fail('b', 'OutOfStock'));
    expect(setUp(tree).whenStarted().run?.output).toBe('null');
  });

  it('stops at the branch: what is nested in it is cancelled first', () => {
    const { whenStarted, entered } = setUp(
      sequence(
        parallel(
          { name: 'p', onError: 'continue', reduce: 'none' },
          named('s', parallel({ name: 'q' }, step('x'), fail('y', 'OutOfStock'))),
          pass('b'),
        ),
        step('z'),
      ),
    );
    whenStarted().thenEvents(
      started(),
      entered('p'),
      entered('p.s'),
      entered('p.b'),
      entered('p.s.q'),
      completed('p.b', RUN_INPUT, true),
      entered('p.s.q.x'),
      entered('p.s.q.y'),
      failed('p.s.q.y', OUT),
      cancelled('p.s.q', 'step p.s.q.y failed: OutOfStock'),
      failed('p.s.q', OUT),
      failed('p.s', OUT, true),
      completed('p', { value: json(null) }),
      entered('z', outputOf(12)),
    );
  });
});

describe('a failure in a sequence', () => {
  it('goes outward through every container up to the run', () => {
    const { whenStarted, entered } = setUp(
      named('outer', named('inner', fail('stop', 'OutOfStock'), step('a')), step('b')),
    );
    whenStarted().thenEvents(
      started(),
      entered('outer'),
      entered('outer.inner'),
      entered('outer.inner.stop'),
      failed('outer.inner.stop', OUT),
      failed('outer.inner', OUT),
      failed('outer', OUT),
      runFailed('outer', OUT),
    );
  });
});

describe('fromStep', () => {
  const tree = sequence(
    pass('a'),
    named(
      'group',
      pass('b'),
      parallel({ name: 'p' }, named('left', pass('c'), step('d')), step('right'), sequence(step('e'), step('f'))),
    ),
    step('last'),
  );

  it('begins at a step of the root with the input of the run; what lies before is not entered', () => {
    const { given, entered } = setUp(tree);
    given(started({ fromStep: 'last' }))
      .whenSettled(ADVANCE)
      .thenEvents(entered('last', RUN_INPUT));
  });

  it('begins at a container as a whole', () => {
    const { given, entered } = setUp(tree);
    given(started({ fromStep: 'group' }))
      .whenSettled(ADVANCE)
      .thenEvents(
        entered('group'),
        entered('group.b'),
        completed('group.b', RUN_INPUT),
        entered('group.p'),
        entered('group.p.left'),
        entered('group.p.right'),
        entered('group.p.e'),
        entered('group.p.left.c'),
        completed('group.p.left.c', RUN_INPUT),
        entered('group.p.left.d'),
      );
  });

  it('inside a parallel enters the containers on the way and skips the branches beside it', () => {
    const { given, entered } = setUp(tree);
    given(started({ fromStep: 'group.p.left.d' }))
      .whenSettled(ADVANCE)
      .thenEvents(
        entered('group'),
        entered('group.p'),
        entered('group.p.left'),
        skipped('group.p.right', 7, 1),
        skipped('group.p.e', 8, 2),
        entered('group.p.left.d'),
      );
  });

  it('in the middle of a branch goes on from there, and the skipped branches join as null', () => {
    const { given, entered } = setUp(tree);
    const begun = [
      started({ fromStep: 'group.p.f' }),
      entered('group'),
      entered('group.p'),
      skipped('group.p.left', 4, 0, 'sequence'),
      skipped('group.p.right', 7, 1),
      entered('group.p.f'),
    ];
    given(begun[0] ?? started())
      .whenSettled(ADVANCE)
      .thenEvents(...begun.slice(1));
    const outcome = given(...begun, attemptStarted('group.p.f', 1)).whenSettled(completeAttempt('group.p.f', 1, 'F'));
    outcome.thenEvents(
      attemptSucceeded('group.p.f', 1, 'F'),
      completed('group.p.f', outputOf(7), true),
      completed('group.p', { all: [null, null, outputOf(7)] }, true),
      completed('group', joinOf(9)),
      entered('last', joinOf(9)),
    );
    expect(outcome.run?.steps.get('last')?.input).toBe(json([null, null, 'F']));
  });

  it('gives the step the constants of the containers on the way', () => {
    const { given, entered } = setUp({ ...named('group', pass('a'), step('b')), input: { given: true } });
    const outcome = given(started({ fromStep: 'group.b' })).whenSettled(ADVANCE);
    outcome.thenEvents(entered('group', { value: json({ given: true }) }), entered('group.b', inputOf(1)));
  });

  it('tells containers apart whose names begin alike', () => {
    const { given, entered } = setUp(sequence(named('g', step('a')), named('gg', pass('a'), step('b'))));
    given(started({ fromStep: 'gg.b' }))
      .whenSettled(ADVANCE)
      .thenEvents(entered('gg'), entered('gg.b'));
  });
});
