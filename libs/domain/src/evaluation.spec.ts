import { describe, expect, it } from '@jest/globals';
import { decide } from './decide.js';
import type { EvaluationResult } from './evaluation.js';
import { DEFAULT_RUN_LIMITS, type Context, type RunCommand } from './commands.js';
import { onPlan } from './testing/given-when-then.js';
import { completed, entering, failed, RUN_INPUT, started, T0 } from './testing/run-facts.js';
import { json, parallel, pass, planOf, sequence, step } from './testing/tree-plans.js';
import { NotedSet } from './undo.js';

const MAPPER = { js: '({ input, output }) => input.id' };
const value = (of: unknown): EvaluationResult => ({ values: [json(of)] });
const tree = planOf(parallel({ name: 'p' }, sequence(pass('x'), step('z')), step('y')));
const plan = {
  ...tree,
  nodes: tree.nodes.map((node) => (node.name === 'x' ? { ...node, output: MAPPER } : node)),
} as typeof tree;
const entered = entering(plan);
const context: Context = {
  plan,
  atMs: T0,
  limits: { ...DEFAULT_RUN_LIMITS, payloadMaxBytes: 20 },
  isUnsent: () => false,
};
/** The token of one branch is at the pass that computes, that of the other is at a step. */
const waiting = () => onPlan(plan).given(started(), entered('p'), entered('p.x'), entered('p.y')).run!;
const advance = (scope: string): RunCommand => ({ type: 'Advance', scope });
const evaluated = (result: EvaluationResult, id = 'p.x:output', scope = 'p#0'): RunCommand => ({
  ...{ type: 'Evaluated', scope, id, result },
});

describe('a move that needs an evaluation', () => {
  it('says what it needs, as plain data, and decides nothing', () => {
    const needs = {
      ...{ id: 'p.x:output', scope: 'p#0', at: 'p.x', mode: 'all' },
      expressions: [{ language: 'js', source: MAPPER.js }],
      names: { input: RUN_INPUT, output: RUN_INPUT },
    };
    expect(decide(advance('p#0'), waiting(), context)).toStrictEqual({ accepted: false, needs });
  });

  it('is made with the value, and the scope goes on', () => {
    const { accepted, ...decision } = decide(evaluated(value('v')), waiting(), context);
    expect([accepted, decision]).toStrictEqual([
      true,
      { events: [completed('p.x', RUN_INPUT, false, { mapped: json('v') })] },
    ]);
  });

  it('fails its step by the name of the error, or of the limit that the value passes', () => {
    const error = { name: 'Stepwell.ScriptTimeout', cause: null };
    expect(decide(evaluated({ error }), waiting(), context)).toStrictEqual({
      ...{ accepted: true, events: [failed('p.x', error)] },
    });
    expect(decide(evaluated(value('x'.repeat(19))), waiting(), context)).toMatchObject({
      events: [{ type: 'StepFailed', step: 'p.x', error: { name: 'Stepwell.PayloadTooLarge' } }],
    });
  });

  it.each([
    ['p.x:output', 'p#1'],
    ['p.x:output', ''],
    ['p.y:output', 'p#0'],
  ])('takes no result of another: %s in "%s"', (id, scope) => {
    const rejection = { code: 'stale-evaluation', scope, id };
    expect(decide(evaluated(value(1), id, scope), waiting(), context)).toStrictEqual({
      ...{ accepted: false, rejection },
    });
  });

  it('takes no second result', () => {
    const run = onPlan(plan).given(
      started(),
      entered('p'),
      entered('p.x'),
      completed('p.x', RUN_INPUT, false, { mapped: json(1) }),
    ).run!;
    expect(decide(evaluated(value(2)), run, context)).toMatchObject({
      rejection: { code: 'stale-evaluation' },
    });
  });
});

describe('Advance', () => {
  it('makes nothing of a scope that is owed no move', () => {
    for (const scope of ['', 'p#1', 'p#9', 'q#0'])
      expect(decide(advance(scope), waiting(), context)).toStrictEqual({ accepted: true, events: [] });
  });

  it.each(['p#2', 'p#-1', 'p#x', 'p.y#0', 'q#0', 'p', 'nobody'])(
    'stops by name at scope %s, which is no container’s, instead of acting on the root',
    (scope) => {
      const run = waiting();
      run.obligations.moves = new NotedSet([scope]);
      expect(() => decide(advance(scope), run, context)).toThrow(`bug: the container of scope ${scope} is missing`);
    },
  );

  it('stops by name where a token is in a step that is not there', () => {
    const run = waiting();
    run.steps.delete('p.x');
    expect(() => decide(advance('p#0'), run, context)).toThrow('step p.x');
  });
});
