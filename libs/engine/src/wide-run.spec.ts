import { afterEach, describe, expect, it } from '@jest/globals';
import type { RunCommand } from '#domain';
import { APPEND_EVENTS_MAX } from '#event-store';
import { systemClock, type Clock } from '#runtime';
import { parallel, planOf, step } from '../../domain/src/testing/tree-plans.js';
import type { StartReply } from './index.js';
import { NOBODY, newEngine, Recorder, runIdOf, start, stopEngines, TwistedStore } from './testing/engine-world.js';
import { historyIn } from './testing/history-in.js';

afterEach(stopEngines);

const A = runIdOf('a');
/** All go to one url. */
const branches = (count: number, fields: Parameters<typeof step>[1] = {}) => {
  const steps = Array.from({ length: count }, (_, at) => step(`b${at}`, fields));
  const plan = planOf(parallel({ name: 'all', onError: 'continue' }, ...steps));
  const nodes = plan.nodes.map((node) => (node.type === 'step' ? { ...node, url: 'http://app.test/' } : node));
  return { ...plan, nodes };
};

/** A run of the plan, entered as far as it goes with so many slots. */
const entered = async (plan: ReturnType<typeof branches>, slots: number) => {
  let nowMs = Date.parse('2026-01-01T00:00:00Z');
  const clock: Clock = { ...systemClock, nowMs: () => nowMs, now: () => new Date(nowMs).toISOString() };
  const store = new TwistedStore();
  const owner = new Recorder();
  const grant = owner.grant.bind(owner);
  let free = slots;
  let asked = 0;
  owner.grant = () => {
    asked += 1;
    return (free-- > 0 ? grant() : null) as ReturnType<typeof grant>;
  };
  const { engine } = await newEngine(owner, store, { clock });
  await new Promise<StartReply>((settle) => engine.start(A, start('a'), plan, NOBODY, settle));
  const submit = (command: RunCommand) => new Promise((done) => engine.submit(A, command, NOBODY, done));
  // What did not fit the first append follows.
  while (engine.isActive(A) && (await engine.load(A))!.run.obligations.moves.size > 0)
    await new Promise((resolve) => setImmediate(resolve));
  await submit({ type: 'WakeUp' });
  return {
    store,
    submit,
    run: async () => (await engine.load(A))!.run,
    pass: (ms: number) => (nowMs += ms),
    asked: () => asked,
    appends: () => store.seen.length,
  };
};

describe('a run of many branches', () => {
  it('asks for a slot once a decision when none is free, however many branches wait for it', async () => {
    const made = await entered(branches(1_000), 3);
    expect([...(await made.run()).obligations.ready.values()].map(({ size }) => size)).toEqual([997]);
    const before = made.asked();
    await made.submit({ type: 'WakeUp' });
    expect(made.asked() - before).toBe(1);
  });

  it('asks for each url, though another has no slot', async () => {
    const plan = branches(4);
    const nodes = plan.nodes.map((node) =>
      node.type === 'step' && node.name !== 'b0' ? { ...node, url: `http://${node.name}.example/` } : node,
    );
    const made = await entered({ ...plan, nodes }, 0);
    const before = made.asked();
    await made.submit({ type: 'WakeUp' });
    expect(made.asked() - before).toBe(4);
  });

  it('ends all late steps at one waking, in as few appends as hold their events', async () => {
    const made = await entered(branches(300, { timeouts: { stepMs: 100 } }), 0);
    const before = made.appends();
    const { revision } = await made.run();
    made.pass(200);
    await made.submit({ type: 'WakeUp' });
    const run = await made.run();
    const { steps } = await historyIn(made.store, runIdOf('a'));
    expect([...steps.values()].filter(({ error }) => error?.name === 'Stepwell.StepTimeout')).toHaveLength(300);
    expect(made.appends() - before).toBe(Math.ceil((run.revision - revision) / APPEND_EVENTS_MAX));
  });
});
