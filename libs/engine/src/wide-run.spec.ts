import { afterEach, describe, expect, it } from '@jest/globals';
import type { RunCommand } from '#domain';
import { parallel, planOf, step } from '../../domain/src/testing/tree-plans.js';
import type { StartReply } from './index.js';
import { NOBODY, newEngine, Recorder, runIdOf, start, stopEngines, TwistedStore } from './testing/engine-world.js';

afterEach(stopEngines);

const A = runIdOf('a');
const branches = (count: number) =>
  planOf(parallel({ name: 'all', onError: 'continue' }, ...Array.from({ length: count }, (_, at) => step(`b${at}`))));

/** A run of the plan, entered as far as it goes with so many slots. */
const entered = async (plan: ReturnType<typeof branches>, slots: number) => {
  const store = new TwistedStore();
  const owner = new Recorder();
  const grant = owner.grant.bind(owner);
  let free = slots;
  let asked = 0;
  owner.grant = () => {
    asked += 1;
    return (free-- > 0 ? grant() : null) as ReturnType<typeof grant>;
  };
  const { engine } = await newEngine(owner, store);
  await new Promise<StartReply>((settle) => engine.start(A, start('a'), plan, NOBODY, settle));
  const submit = (command: RunCommand) => new Promise((done) => engine.submit(A, command, NOBODY, done));
  // What did not fit the first append follows.
  while (engine.isActive(A) && (await engine.load(A))!.run.obligations.moves.size > 0)
    await new Promise((resolve) => setImmediate(resolve));
  await submit({ type: 'WakeUp' });
  return {
    submit,
    run: async () => (await engine.load(A))!.run,
    asked: () => asked,
  };
};

describe('a run of many branches', () => {
  it('asks for a slot once a decision when none is free, however many branches wait for it', async () => {
    const made = await entered(branches(1_000), 3);
    expect((await made.run()).obligations.ready.size).toBe(997);
    const before = made.asked();
    await made.submit({ type: 'WakeUp' });
    expect(made.asked() - before).toBe(1);
  });

  it('asks for each origin, though another has no slot', async () => {
    const plan = branches(4);
    const nodes = plan.nodes.map((node) =>
      node.type === 'step' && node.name !== 'b0' ? { ...node, url: `http://${node.name}.example/` } : node,
    );
    const made = await entered({ ...plan, nodes }, 0);
    const before = made.asked();
    await made.submit({ type: 'WakeUp' });
    expect(made.asked() - before).toBe(4);
  });
});
