import { afterEach, describe, expect, it } from '@jest/globals';
import type { Evaluation, EvaluationResult, JsonText, Plan, RunCommand } from '#domain';
import { decodeRunEvent, runStream } from '#event-store';
import { json, parallel, pass, planOf, sequence, step, type Tree } from '../../domain/src/testing/tree-plans.js';
import type { EvaluationInputs, Evaluator, RunId, StartReply } from './index.js';
import { newEngine, NOBODY, Recorder, runIdOf, start, stopEngines, TwistedStore } from './testing/engine-world.js';

afterEach(stopEngines);

const A = runIdOf('a');
const value = (of: unknown): EvaluationResult => ({ values: [json(of)] });

/** The passes whose names begin with `x` compute what flows out of them. */
const computing = (root: Tree): Plan => {
  const plan = planOf(root);
  const nodes = plan.nodes.map((node) =>
    node.name.startsWith('x') ? { ...node, output: { js: `of ${node.name}: input, output` } } : node,
  );
  return { ...plan, nodes };
};

type Asked = {
  readonly runId: RunId;
  readonly evaluation: Evaluation;
  readonly inputs: EvaluationInputs;
  readonly done: (result: EvaluationResult) => void;
};

/** Keeps what it is asked for, unless it knows the value of the expression: then it gives that at once. */
class StubEvaluator implements Evaluator {
  readonly asked: Asked[] = [];
  constructor(readonly known: Readonly<Record<string, unknown>> = {}) {}

  evaluate(runId: RunId, evaluation: Evaluation, inputs: EvaluationInputs, done: Asked['done']): void {
    const { source } = evaluation.expressions[0]!;
    this.asked.push({ runId, evaluation, inputs, done });
    if (source in this.known) done(value(this.known[source]));
  }
}

const PLAN = computing(parallel({ name: 'p' }, sequence(pass('x'), step('z')), step('y')));

const world = async (evaluator: Evaluator, plan = PLAN, store = new TwistedStore(), sharedLog = false) => {
  const owner = new Recorder();
  const { engine } = await newEngine(owner, store, { plan, sharedLog });
  engine.evaluateBy(evaluator);
  const begin = (key: string) =>
    new Promise<StartReply>((settle) => engine.start(runIdOf(key), start(key), plan, NOBODY, settle));
  const submit = (command: RunCommand, runId = A) => new Promise((done) => engine.submit(runId, command, NOBODY, done));
  const answer = (key: string, output: string) =>
    submit({ type: 'CompleteAttempt', step: key, attempt: 1, status: 200, output: output as JsonText });
  const events = async (key = 'a') =>
    (await store.readStream(runStream(runIdOf(key)))).map(({ type, v, data }) => decodeRunEvent(type, v, data));
  const steps = async (type: string) =>
    (await events()).flatMap((event) => (event.type === type && 'step' in event ? [event.step] : []));
  const run = async (key = 'a') => (await engine.load(runIdOf(key)))!.run;
  /** Until nothing more follows from what has come. */
  const settled = async () => {
    for (let before = -1; before !== store.seen.length; await submit({ type: 'WakeUp' })) before = store.seen.length;
  };
  return { engine, owner, store, begin, submit, settled, answer, events, steps, run };
};

describe('an evaluation that a move needs', () => {
  it('is a loop inside one decision when it surely ends: no append and nobody else is needed', async () => {
    const evaluator = new StubEvaluator();
    const steps = [pass('a', { output: '{% 1 %}' }), pass('b', { output: { two: '{% $output + 1 %}' } })];
    const { begin, store } = await world(evaluator, planOf(sequence(...steps)));
    await begin('a');
    expect([store.seen.length, evaluator.asked]).toEqual([1, []]);
    expect(store.seen[0]!.events.map(({ type }) => type)).toEqual([
      'RunStarted',
      'StepEntered',
      'StepCompleted',
      'StepEntered',
      'StepCompleted',
      'RunCompleted',
    ]);
    expect(store.seen[0]!.events[4]!.data).toContain('"mapped":{"two":2}');
  });

  it('is asked for once what it needs is in the log, and moves its scope when the result comes at once', async () => {
    const plan = computing(sequence(step('s'), pass('x1'), pass('x2')));
    const evaluator = new StubEvaluator({ 'of x1: input, output': 'one', 'of x2: input, output': 'two' });
    const committed: number[] = [];
    const evaluate = evaluator.evaluate.bind(evaluator);
    const { begin, answer, store, settled, events } = await world(evaluator, plan);
    evaluator.evaluate = (...asked) => {
      committed.push(store.seen.length);
      evaluate(...asked);
    };
    await begin('a');
    await answer('s', '{"n":1.0}');
    await settled();
    expect(evaluator.asked.map(({ evaluation, inputs }) => [evaluation, inputs])).toEqual([
      [
        {
          ...{ id: 'x1:output', scope: '', at: 'x1', mode: 'all' },
          expressions: [{ language: 'js', source: 'of x1: input, output' }],
          names: { input: { revision: 3, pointer: '/output' }, output: { revision: 3, pointer: '/output' } },
        },
        { input: '{"n":1.0}', output: '{"n":1.0}' },
      ],
      [expect.objectContaining({ id: 'x2:output' }), { input: '"one"', output: '"one"' }],
    ]);
    expect(committed).toEqual([2, 3]);
    expect((await events()).at(-1)).toEqual({
      type: 'RunCompleted',
      output: { revision: 8, pointer: '/mapped' },
      mapped: null,
    });
  });

  it('keeps its scope alone waiting: the others of the run, and other runs, go on, and it is asked for once', async () => {
    const evaluator = new StubEvaluator();
    const { begin, answer, submit, settled, engine, steps, run } = await world(evaluator);
    await begin('a');
    await begin('b');
    await answer('p.y', '"Y"');
    for (let again = 0; again < 3; again++) await submit({ type: 'WakeUp' });
    expect(await steps('StepCompleted')).toEqual(['p.y']);
    expect(evaluator.asked.map(({ runId, evaluation }) => [runId, evaluation.scope])).toEqual([
      [A, 'p#0'],
      [runIdOf('b'), 'p#0'],
    ]);
    expect([engine.isActive(A), (await run()).status]).toEqual([true, 'running']);
    evaluator.asked[0]!.done(value('X'));
    await settled();
    await answer('p.z', '"Z"');
    expect((await run('b')).status).toBe('running');
    expect((await steps('StepCompleted')).slice(1)).toEqual(['p.x', 'p.z', 'p']);
    expect(evaluator.asked).toHaveLength(2);
  });

  it('that never comes to an end keeps nobody from cancelling the run, and comes too late after that', async () => {
    const evaluator = new StubEvaluator();
    const { begin, engine, events } = await world(evaluator);
    await begin('a');
    expect(await engine.cancel(A, null, NOBODY)).toMatchObject({ status: 'cancelled' });
    const before = await events();
    evaluator.asked[0]!.done(value('X'));
    expect(await engine.load(A)).toMatchObject({ run: { status: 'cancelled' } });
    expect(await events()).toEqual(before);
    expect(engine.counts.runsParked()).toBe(0);
  });

  it('that fails fails its step, by its name', async () => {
    const evaluator = new StubEvaluator();
    const { begin, settled, events } = await world(evaluator);
    await begin('a');
    evaluator.asked[0]!.done({ error: { name: 'Stepwell.ScriptTimeout', cause: 'it took a second' } });
    await settled();
    expect((await events()).slice(-4)).toMatchObject([
      { type: 'StepFailed', step: 'p.x', error: { name: 'Stepwell.ScriptTimeout' } },
      { type: 'StepCancelled' },
      { type: 'StepFailed', step: 'p' },
      { type: 'RunFailed', error: { name: 'Stepwell.ScriptTimeout', cause: 'it took a second' } },
    ]);
  });

  it('that gives more than a payload may be fails its step, by name', async () => {
    const evaluator = new StubEvaluator({ 'of x: input, output': 'x'.repeat(256 * 1024) });
    const { begin, settled, events } = await world(evaluator);
    await begin('a');
    await settled();
    expect((await events()).at(-1)).toMatchObject({ type: 'RunFailed', error: { name: 'Stepwell.PayloadTooLarge' } });
  });

  it('is asked for again by the owner who comes after one that was killed, and a result told twice is one', async () => {
    const store = new TwistedStore();
    const killed = new StubEvaluator();
    const first = await world(killed, PLAN, store);
    await first.begin('a');
    const evaluator = new StubEvaluator();
    const second = await world(evaluator, PLAN, store);
    await second.submit({ type: 'LoseAttempts', boot: 'b1' });
    expect(evaluator.asked.map(({ evaluation }) => evaluation)).toEqual([killed.asked[0]!.evaluation]);
    for (let again = 0; again < 2; again++) evaluator.asked[0]!.done(value(again));
    await second.settled();
    await second.answer('p.z', '"Z"');
    expect(await second.steps('StepCompleted')).toEqual(['p.x', 'p.z']);
    expect((await second.events()).filter(({ type }) => type === 'StepCompleted')[0]).toMatchObject({
      mapped: '0',
    });
  });

  it('is decided on again when others have appended meanwhile', async () => {
    const store = new TwistedStore();
    const evaluator = new StubEvaluator();
    const { begin, answer, settled, steps, engine } = await world(evaluator, PLAN, store, true);
    const api = await newEngine(null, store, { plan: PLAN, sharedLog: true });
    await begin('a');
    await api.engine.load(A);
    // What the API has in memory, the owner does not know yet when it decides.
    const noted = new Promise((done) =>
      api.engine.submit(A, { type: 'NoteDuplicateStarts', count: 1, refused: 0, last: true }, NOBODY, done),
    );
    evaluator.asked[0]!.done(value('X'));
    await noted;
    await settled();
    await answer('p.z', '"Z"');
    expect(engine.counts.appends.conflict).toBeGreaterThan(0);
    expect(await steps('StepCompleted')).toEqual(['p.x', 'p.z']);
  });

  it('that another owner has made holds up nothing here: the next one of the scope is asked for', async () => {
    const store = new TwistedStore();
    const plan = computing(sequence(pass('x1'), pass('x2')));
    const [mine, others] = [new StubEvaluator(), new StubEvaluator()];
    const here = await world(mine, plan, store, true);
    const there = await world(others, plan, store, true);
    await here.begin('a');
    await there.settled();
    others.asked[0]!.done(value(1));
    await there.settled();
    await here.engine.load(A);
    await here.settled();
    const ids = ({ asked }: StubEvaluator) => asked.map(({ evaluation }) => evaluation.id);
    expect([ids(mine), ids(others)]).toEqual([
      ['x1:output', 'x2:output'],
      ['x1:output', 'x2:output'],
    ]);
  });

  it('is not asked for in a run that is not the owner’s', async () => {
    const evaluator = new StubEvaluator();
    const { owner, begin, settled, run } = await world(evaluator);
    owner.holds = (runId?: RunId) => runId !== A;
    await begin('a');
    await begin('b');
    await settled();
    expect(evaluator.asked.map(({ runId }) => runId)).toEqual([runIdOf('b')]);
    expect([...(await run()).obligations.moves]).toEqual(['']);
  });

  it('is left owed by an engine that evaluates nothing', async () => {
    const { engine, begin } = await newEngine(new Recorder(), new TwistedStore(), { plan: PLAN });
    await begin('a');
    expect([...(await engine.load(A))!.run.obligations.moves]).toEqual(['p#0']);
    expect(engine.counts.runsParked()).toBe(0);
  });

  it('is asked for once in each of two thousand scopes, however many appends that takes', async () => {
    const count = 2_000;
    const branches = Array.from({ length: count }, (_, at) => pass(`x${at}`));
    const evaluator = new StubEvaluator();
    const { begin, run, submit } = await world(
      evaluator,
      computing(parallel({ name: 'p', reduce: 'none' }, ...branches)),
    );
    await begin('a');
    while (evaluator.asked.length < count) await submit({ type: 'WakeUp' });
    expect((await run()).obligations.moves.size).toBe(count);
    for (const { done } of evaluator.asked) done(value(1));
    await submit({ type: 'WakeUp' });
    expect(evaluator.asked).toHaveLength(count);
  });
});
