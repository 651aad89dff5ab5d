import { afterEach, expect, it } from '@jest/globals';
import type { Step, StepKey } from '#domain';
import { eventually } from '../../../test/support/pause.js';
import { parallel, planOf, step } from '../../domain/src/testing/tree-plans.js';
import { Application, DispatchWorld, json, runIdOf } from './testing/dispatch-world.js';

const open: { stop(): Promise<void> }[] = [];
afterEach(async () => {
  for (const part of open.splice(0).reverse()) await part.stop();
});

/** How many steps of a run are looked at when one of so many branches ends, and the next gets its slot. */
const stepsLookedAt = async (width: number): Promise<number> => {
  const answers: (() => void)[] = [];
  const app = new Application().on('/', (_request, response) => void answers.push(() => json(response, 200, {})));
  open.push(app);
  const url = `${await app.start()}/`;
  const wide = planOf(parallel({ name: 'all' }, ...Array.from({ length: width }, (_, at) => step(`b${at}`))));
  const plan = { ...wide, nodes: wide.nodes.map((node) => (node.type === 'step' ? { ...node, url } : node)) };
  const world = await new DispatchWorld(plan, { options: { attemptsPerOriginMax: 2 } }).start();
  open.push(world);
  await world.startRun('a');
  const waiting = (count: number) =>
    eventually('the requests', () => Promise.resolve(answers.length === count || null));
  await waiting(2);
  const { run } = (await world.engine.load(runIdOf('a')))!;
  expect(run.steps.size).toBe(width + 1);
  let looks = 0;
  const steps = run.steps as Map<StepKey, Step>; // what counts the looks at it
  const get = steps.get.bind(steps);
  steps.get = (key) => {
    looks += 1;
    return get(key);
  };
  answers[0]!();
  await waiting(3);
  return looks;
};

it('an answer to a run of a thousand branches that wait looks at as many steps as one to a run of twenty', async () => {
  expect(await stepsLookedAt(1_000)).toBe(await stepsLookedAt(20));
});
