import { describe, expect, it } from '@jest/globals';
import { DEFAULT_RUN_LIMITS } from './commands.js';
import { from, historyOf, onPlan, pause, settle, type Outcome } from './testing/given-when-then.js';
import {
  ADVANCE,
  after,
  attemptStarted,
  attemptSucceeded,
  completeAttempt,
  completed,
  entering,
  failed,
  inputOf,
  mappedOf,
  joinOf,
  outputOf,
  RUN_INPUT,
  runCompleted,
  runFailed,
  started,
  startRun,
  T0,
  WAKE_UP,
} from './testing/run-facts.js';
import { evolve } from './evolve.js';
import type { Plan } from './plan.js';
import { fail, json, named, parallel, pass, planOf, sequence, step, succeed, type Tree } from './testing/tree-plans.js';
import { Undo } from './undo.js';

/** A plan, the entries of its steps, and what comes of starting it. */
const setUp = (tree: Tree, payloadMaxBytes?: number) => {
  const plan = planOf(tree);
  const spec = onPlan(plan, payloadMaxBytes === undefined ? {} : { payloadMaxBytes });
  return { entered: entering(plan), given: spec.given, whenStarted: () => spec.given().whenSettled(startRun()) };
};
const outputText = (outcome: Outcome) => outcome.run?.output;

describe('a sequence', () => {
  it('enters one node a decision, the first with what the run was given', () => {
    const { given, entered } = setUp(sequence(step('a'), step('b')));
    given(started()).when(ADVANCE).thenEvents(entered('a', RUN_INPUT));
    given(started(), entered('a')).when(ADVANCE).thenNothing();
  });

  it('hands the output of each step to the next, and that of the last to the run', () => {
    const { given, entered } = setUp(sequence(step('a'), step('b')));
    const first = [started(), entered('a'), attemptStarted('a', 1)];
    given(...first)
      .whenSettled(completeAttempt('a', 1, { user: 1 }))
      .thenEvents(attemptSucceeded('a', 1, { user: 1 }), completed('a', outputOf(3)), entered('b', outputOf(3)));
    const second = [...first, attemptSucceeded('a', 1), completed('a', outputOf(3)), entered('b', outputOf(3))];
    const ended = given(...second, attemptStarted('b', 1)).whenSettled(completeAttempt('b', 1, 'mailed'));
    ended.thenEvents(attemptSucceeded('b', 1, 'mailed'), completed('b', outputOf(7)), runCompleted(outputOf(7)));
    expect(outputText(ended)).toBe(json('mailed'));
  });

  it('with a name is a scope of its own, entered and left in the same append', () => {
    const { whenStarted, entered } = setUp(sequence(named('group', pass('a'), pass('b')), step('c')));
    whenStarted().thenEvents(
      started(),
      entered('group', RUN_INPUT),
      entered('group.a', RUN_INPUT),
      completed('group.a', RUN_INPUT),
      entered('group.b', RUN_INPUT),
      completed('group.b', RUN_INPUT, true),
      completed('group', RUN_INPUT),
      entered('c', RUN_INPUT),
    );
  });
});

describe('constants', () => {
  it('replace what flows in and what flows out, and are stored where they are used', () => {
    const { whenStarted, entered } = setUp(
      sequence(pass('a', { input: { plan: 'free' } }), pass('b', { output: [1, 2] }), pass('c')),
    );
    const outcome = whenStarted();
    outcome.thenEvents(
      started(),
      entered('a', { value: json({ plan: 'free' }) }),
      completed('a', inputOf(1)),
      entered('b', inputOf(1)),
      completed('b', inputOf(1), false, { mapped: json([1, 2]) }),
      entered('c', mappedOf(4)),
      completed('c', mappedOf(4)),
      runCompleted(mappedOf(4)),
    );
    expect(historyOf(outcome.events).steps.get('b')?.input.text).toBe(json({ plan: 'free' }));
    expect(outputText(outcome)).toBe(json([1, 2]));
  });

  it('of a container flow into its first node and out of it', () => {
    const outcome = setUp({ ...named('group', pass('a'), pass('b')), input: 1, output: 2 }).whenStarted();
    expect(historyOf(outcome.events).steps.get('group.b')?.output?.text).toBe('1');
    expect(outputText(outcome)).toBe('2');
  });

  it('of a parallel are what every branch is given, and stand in for what it would reduce to', () => {
    const outcome = setUp(parallel({ name: 'p', input: 1, output: 2 }, pass('a'), pass('b'))).whenStarted();
    expect(historyOf(outcome.events).steps.get('p.b')?.input.text).toBe('1');
    expect(outputText(outcome)).toBe('2');
  });

  it('that are null are constants too', () => {
    const outcome = setUp(pass('a', { input: null })).whenStarted();
    expect(outputText(outcome)).toBe('null');
  });
});

describe('a parallel', () => {
  it('opens all branches with its own input, in order', () => {
    const { whenStarted, entered } = setUp(
      sequence(pass('a', { output: 5 }), parallel({ name: 'p' }, step('x'), step('y'))),
    );
    whenStarted().thenEvents(
      started(),
      entered('a'),
      completed('a', RUN_INPUT, false, { mapped: json(5) }),
      entered('p', mappedOf(2)),
      entered('p.x', mappedOf(2)),
      entered('p.y', mappedOf(2)),
    );
  });

  it('moves its branches independently and joins when the last one ends, in branch order', () => {
    const { given, entered } = setUp(
      sequence(parallel({ name: 'p' }, sequence(step('x1'), step('x2')), step('y')), step('z')),
    );
    const open = [started(), entered('p'), entered('p.x1'), entered('p.y'), attemptStarted('p.y', 1)];
    given(...open)
      .whenSettled(completeAttempt('p.y', 1, 'Y'))
      .thenEvents(attemptSucceeded('p.y', 1, 'Y'), completed('p.y', outputOf(5), true));
    const ahead = [
      ...open,
      attemptSucceeded('p.y', 1, 'Y'),
      completed('p.y', outputOf(5), true),
      attemptStarted('p.x1', 1),
    ];
    given(...ahead)
      .whenSettled(completeAttempt('p.x1', 1, 'X1'))
      .thenEvents(attemptSucceeded('p.x1', 1, 'X1'), completed('p.x1', outputOf(8)), entered('p.x2', outputOf(8)));
    const joined = given(
      ...ahead,
      attemptSucceeded('p.x1', 1, 'X1'),
      completed('p.x1', outputOf(8)),
      entered('p.x2', outputOf(8)),
      attemptStarted('p.x2', 1),
    ).whenSettled(completeAttempt('p.x2', 1, 'X2'));
    joined.thenEvents(
      attemptSucceeded('p.x2', 1, 'X2'),
      completed('p.x2', outputOf(12), true),
      completed('p', { all: [outputOf(12), outputOf(5)] }),
      entered('z', joinOf(14)),
    );
    expect(joined.run?.steps.get('z')?.input).toBe(json(['X2', 'Y']));
  });

  it('reduces to the output of the last branch by position, or to null', () => {
    const branches = [pass('x', { output: 'X' }), pass('y', { output: 'Y' })];
    const last = setUp(parallel({ name: 'p', reduce: 'last' }, ...branches));
    const outcome = last.whenStarted();
    outcome.thenEvents(
      started(),
      last.entered('p'),
      last.entered('p.x'),
      last.entered('p.y'),
      completed('p.x', RUN_INPUT, true, { mapped: json('X') }),
      completed('p.y', RUN_INPUT, true, { mapped: json('Y') }),
      completed('p', mappedOf(5)),
      runCompleted(mappedOf(5)),
    );
    expect(outputText(outcome)).toBe(json('Y'));
    expect(outputText(setUp(parallel({ name: 'p', reduce: 'none' }, ...branches)).whenStarted())).toBe('null');
  });

  it('in a parallel ends its own branch there', () => {
    const inner = parallel({ name: 'q', reduce: 'last' }, pass('x', { output: 1 }), pass('y', { output: 2 }));
    const outcome = setUp(parallel({ name: 'p' }, inner, pass('z', { output: 3 }))).whenStarted();
    expect(outcome.events.filter((event) => event.type === 'StepCompleted' && event.endsSlot)).toHaveLength(4);
    expect(outputText(outcome)).toBe(json([2, 3]));
  });

  it('of no branches joins at once', () => {
    const { whenStarted, entered } = setUp(parallel({ name: 'p' }));
    whenStarted().thenEvents(started(), entered('p'), completed('p', { all: [] }), runCompleted(joinOf(2)));
  });

  it('of a thousand branches is opened and joined by small decisions', () => {
    const branches = Array.from({ length: 1_000 }, (_, index) => pass(`b${index}`));
    const plan = planOf(parallel({ name: 'p' }, ...branches));
    const { run } = onPlan(plan).given(started());
    expect(run).not.toBeNull();
    if (run === null) return;
    const settled = settle(run, { plan, atMs: T0, limits: DEFAULT_RUN_LIMITS, isUnsent: () => false });
    expect(settled.events).toHaveLength(1 + 2 * 1_000 + 2);
    expect(settled.largestDecision).toBe(1);
    expect(settled.run.output).toBe(json(branches.map(() => ({ order: 7 }))));
  });
});

describe('the payload limit of reduce: all', () => {
  const ofBytes = (...outputs: string[]) =>
    parallel({ name: 'p' }, ...outputs.map((output, index) => pass(`b${index}`, { output })));
  const tooLarge = (bytes: number, limit: number) => ({
    name: 'Stepwell.PayloadTooLarge',
    cause: `the outputs of all branches take ${bytes} bytes together, the limit is ${limit}`,
  });

  it('fails the parallel by name, one byte past it', () => {
    // ["aaa","bbb"] takes 13 bytes.
    expect(outputText(setUp(ofBytes('aaa', 'bbb'), 13).whenStarted())).toBe(json(['aaa', 'bbb']));
    const outcome = setUp(ofBytes('aaa', 'bbb'), 12).whenStarted();
    expect(outcome.events.slice(-2)).toEqual([failed('p', tooLarge(13, 12)), runFailed('p', tooLarge(13, 12))]);
  });

  it('counts bytes, not characters, over all branches together', () => {
    // ["ééé","ééé"] is 13 characters of 19 bytes, each branch of 8.
    expect(setUp(ofBytes('ééé', 'ééé'), 19).whenStarted().run?.status).toBe('completed');
    expect(setUp(ofBytes('ééé', 'ééé'), 18).whenStarted().run?.error).toEqual(tooLarge(19, 18));
  });

  it('is not asked when the outputs are not gathered', () => {
    const last = { ...ofBytes('aaa', 'bbb'), reduce: 'last' } as Tree;
    expect(setUp(last, 5).whenStarted().run?.status).toBe('completed');
  });
});

describe('succeed', () => {
  it('ends the run, with the sequences around it, whatever comes after', () => {
    const { whenStarted, entered } = setUp(
      sequence(named('outer', named('inner', succeed('done', { output: 1 }), step('a')), step('b')), step('c')),
    );
    whenStarted().thenEvents(
      started(),
      entered('outer'),
      entered('outer.inner'),
      entered('outer.inner.done'),
      completed('outer.inner.done', RUN_INPUT, true, { mapped: json(1) }),
      completed('outer.inner', mappedOf(4), true),
      completed('outer', mappedOf(4)),
      runCompleted(mappedOf(4)),
    );
  });

  it('ends only the nearest branch: the parallel joins and the run goes on', () => {
    const { whenStarted, entered } = setUp(
      sequence(parallel({ name: 'p' }, sequence(named('group', succeed()), step('never')), pass('x')), step('z')),
    );
    whenStarted().thenEvents(
      started(),
      entered('p'),
      entered('p.group'),
      entered('p.x'),
      entered('p.group.done'),
      completed('p.x', RUN_INPUT, true),
      completed('p.group.done', RUN_INPUT, true),
      completed('p.group', RUN_INPUT, true),
      completed('p', { all: [RUN_INPUT, RUN_INPUT] }),
      entered('z', joinOf(8)),
    );
  });
});

describe('fail', () => {
  it('fails the run with its name and cause, and nothing after it is entered', () => {
    const { whenStarted, entered } = setUp(sequence(fail('stop', 'OutOfStock', 'none left'), step('b')));
    const error = { name: 'OutOfStock', cause: 'none left' };
    const outcome = whenStarted();
    outcome.thenEvents(started(), entered('stop'), failed('stop', error), runFailed('stop', error));
    expect(outcome.run?.reason).toBe('none left');
  });
});

describe('long chains', () => {
  it('of 5,000 passes go through one event a decision', () => {
    const { whenStarted } = setUp(sequence(...Array.from({ length: 5_000 }, (_, index) => pass(`p${index}`))));
    const outcome = whenStarted();
    expect(outcome.events).toHaveLength(1 + 2 * 5_000 + 1);
    expect(outputText(outcome)).toBe(json({ order: 7 }));
  });
});

describe('a step whose answer is recorded, and nothing else of it', () => {
  const tree = sequence(
    parallel({ name: 'p' }, step('a', { output: 1, timeouts: { stepMs: 5 } }), step('b')),
    step('c'),
  );
  const { given, entered } = setUp(tree);
  const answered = [
    ...[started(), entered('p'), entered('p.a', RUN_INPUT, { deadlineAt: after(5) }), entered('p.b')],
    ...[attemptStarted('p.a', 1), attemptStarted('p.b', 1), attemptSucceeded('p.b', 1), attemptSucceeded('p.a', 1)],
  ];

  it('is owed the rest, in whatever place it is', () => {
    given(...answered)
      .whenSettled(ADVANCE)
      .thenEvents(
        completed('p.b', outputOf(6), true),
        completed('p.a', outputOf(7), true, { mapped: json(1) }),
        completed('p', { all: [mappedOf(9), outputOf(6)] }),
        entered('c', { revision: 10, pointer: '/outputRefs' }),
      );
  });

  it('is not late any more', () => {
    given(...answered, pause(10))
      .when(WAKE_UP)
      .thenNothing();
  });
});

describe('a scope that the plan does not have', () => {
  const { given, entered } = setUp(sequence(parallel({ name: 'p' }, pass('x'), pass('y')), pass('z')));

  it('stops the run by name instead of running another one', () => {
    const tooMany = given(
      started(),
      entered('p', RUN_INPUT, { slots: { count: 9, window: 9 } }),
      entered('p.x'),
      entered('p.y'),
    );
    const settled = (): unknown => tooMany.whenSettled(ADVANCE);
    expect(settled).toThrow('bug: branch 2 is missing');
    const leaf = given(started(), entered('z', RUN_INPUT, { kind: 'parallel', slots: { count: 1, window: 1 } }));
    expect(() => leaf.whenSettled(ADVANCE)).toThrow('slot 0 of z, which holds no scopes');
  });
});

describe('a node that is entered again', () => {
  /** The keys of what a run of passes enters, the first nine of them. */
  const keysOf = (plan: Plan, fromStep: string | null = null): string[] => {
    const keys: string[] = [];
    const context = { plan, atMs: T0, limits: DEFAULT_RUN_LIMITS, isUnsent: () => false };
    let outcome = onPlan(plan).given(started({ fromStep })).when(ADVANCE);
    for (; outcome.events.length > 0 && keys.length < 9; outcome = from(outcome.run, context).when(ADVANCE))
      for (const event of outcome.events) if (event.type === 'StepEntered') keys.push(event.step);
    return keys;
  };

  it('has a key of its own, and with it what it holds', () => {
    const once = planOf(sequence(pass('a'), named('group', pass('b'))));
    const loop = { ...once, nodes: once.nodes.map((node) => (node.name === 'group' ? { ...node, next: 0 } : node)) };
    expect(keysOf(loop)).toEqual('a group group.b a~2 group~2 group~2.b a~3 group~3 group~3.b'.split(' '));
    const { run } = onPlan(loop).given(started(), ...['a', 'group', 'group.b'].map((key) => entering(loop)(key)));
    const counts = Array.from(run!.entries, ([place, of]) => [place, Object.fromEntries(of)]);
    expect(counts).toEqual([
      ['', { a: 1, group: 1 }],
      ['group', { b: 1 }],
    ]);
  });

  it('is entered from its beginning, also where a run began in the middle of it', () => {
    const once = planOf(parallel({ name: 'p' }, sequence(pass('a'), pass('b')), pass('c')));
    const twice = {
      ...once,
      nodes: once.nodes.map((node) => (node.type === 'parallel' ? { ...node, branches: [1, 1] } : node)),
    };
    expect(keysOf(twice)).toEqual(['p', 'p.a', 'p.a~2', 'p.b', 'p.b~2']);
    expect(keysOf(twice, 'p.b')).toEqual(['p', 'p.b', 'p.a', 'p.b~2']);
  });
});

describe('a way out that was taken', () => {
  const { given, entered: enter } = setUp(sequence(pass('pick'), pass('left'), pass('right')));

  it('is gone on, whatever follows in the plan', () => {
    const picked = (next: number | null) => [
      started(),
      enter('pick'),
      completed('pick', RUN_INPUT, false, { edge: { index: 1, next } }),
    ];
    given(...picked(2))
      .when(ADVANCE)
      .thenEvents(enter('right'));
    given(...picked(null))
      .when(ADVANCE)
      .thenEvents(runCompleted(RUN_INPUT));
    given(...picked(0))
      .when(ADVANCE)
      .thenEvents(enter('pick~2'));
  });

  it('is nothing that a node with one way out says', () => {
    given(started(), enter('pick'))
      .when(ADVANCE)
      .thenEvents(completed('pick', RUN_INPUT, false));
  });

  it('is taken back with the rest of a decision', () => {
    const run = given(started(), enter('pick')).run!;
    const undo = new Undo();
    evolve(run, completed('pick', RUN_INPUT, false, { edge: { index: 0, next: 2 } }), after(0), undo);
    expect(run.steps.get('pick')?.edge).toEqual({ index: 0, next: 2 });
    undo.takeBack();
    expect(run.steps.get('pick')?.edge).toBeNull();
  });
});
