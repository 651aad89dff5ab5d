import { afterEach, describe, expect, it } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Plan, Run } from '#domain';
import { ALL_SHARDS, runStream, shardOf, type Shard } from '#event-store';
import { planOf, sequence, step } from '../../../domain/src/testing/tree-plans.js';
import { Application, json, runIdOf, stepPlan } from '../testing/dispatch-world.js';
import { SplitWorld } from '../testing/split-world.js';

const open: { stop(): Promise<unknown> }[] = [];
afterEach(async () => {
  for (const part of open.splice(0).reverse()) await part.stop();
});

const application = async (prepare: (app: Application) => unknown = () => undefined) => {
  const app = new Application();
  prepare(app);
  open.push(app);
  return { app, url: await app.start() };
};

const worldOf = (plan: Plan): SplitWorld => {
  const world = new SplitWorld(plan);
  open.push(world);
  return world;
};

const threeSteps = (url: string): Plan => {
  const plan = planOf(sequence(step('one'), step('two'), step('three')));
  return {
    ...plan,
    nodes: plan.nodes.map((node) =>
      node.type === 'step'
        ? { ...node, url: `${url}/${node.name}`, retry: { ...node.retry, initialIntervalMs: 20, jitter: 'none' } }
        : node,
    ),
  };
};

const until = async (holds: () => Promise<boolean> | boolean): Promise<void> => {
  while (!(await holds())) await sleep(2);
};

const attemptsOf = (run: Run) => [...run.steps.values()].flatMap(({ attempts }) => attempts);
const shard = (key: string): Shard => shardOf(runIdOf(key));

describe('a dispatcher that releases a shard', () => {
  it('lets what is in flight end first', async () => {
    const { app, url } = await application((made) =>
      made.on('/', (_request, response) => void sleep(30).then(() => json(response, 200, 'old'))),
    );
    const world = worldOf(stepPlan(`${url}/`));
    const api = world.api();
    const { ownership, dispatcher } = await world.dispatcher('old', ALL_SHARDS);
    await api.startRun('x');
    await until(() => app.requests.length === 1);
    await ownership.release(ALL_SHARDS);
    expect(dispatcher.shardCounts).toEqual({ owned: 0, acting: 0 });
    const { run } = (await api.engine.load(runIdOf('x')))!;
    expect([run.status, ...attemptsOf(run).map(({ outcome }) => outcome)]).toEqual(['completed', 'succeeded']);
  });

  it('hands over what does not, as interrupted, and starts nothing more', async () => {
    const { app, url } = await application((made) =>
      made.on('/one', (_request, response) => {
        if (app.requests.length > 2) json(response, 200, 'heir');
      }),
    );
    const world = worldOf(threeSteps(url));
    const api = world.api();
    const old = await world.dispatcher('old', ALL_SHARDS);
    await api.startRun('x');
    await until(() => app.requests.length === 1);
    const released = old.ownership.release(ALL_SHARDS);
    await api.startRun('y');
    await released;
    expect(app.requests).toHaveLength(1);
    const { run } = (await api.engine.load(runIdOf('x')))!;
    expect(attemptsOf(run)).toMatchObject([{ outcome: 'may-have-executed', interrupted: true, dispatcher: 'old' }]);
    expect(await world.openRuns.due(ALL_SHARDS, Infinity, null, 10)).toContainEqual({ runId: runIdOf('x'), dueMs: 0 });
    const appended = old.client.appends;
    await world.dispatcher('heir', ALL_SHARDS);
    await until(() => app.requests.length >= 3);
    expect(old.client.appends).toBe(appended);
  });

  it('moves no checkpoint of a shard that is not its own any more', async () => {
    const { url } = await application();
    const world = worldOf(stepPlan(`${url}/`));
    const api = world.api();
    const [x, y] = [shard('x'), shard('y')];
    const { ownership } = await world.dispatcher('d', [x, y]);
    ownership.lose([x]);
    await api.startRun('x');
    const { position } = (await world.log.readStream(runStream(runIdOf('x')))).at(-1)!;
    await api.run('y');
    const checkpoints = () => world.openRuns.checkpoints([x, y]);
    await until(async () => (await checkpoints()).get(y)! > position);
    expect((await checkpoints()).get(x)).toBeLessThan(position);
    await world.dispatcher('heir', [x]);
    expect((await api.ended('x'))?.run.status).toBe('completed');
  });

  it('has its checkpoint pass no start that it was not given yet, though it has appended since', async () => {
    let answer = (): void => undefined;
    const { app, url } = await application((made) =>
      made.on('/', (_request, response) => (answer = () => json(response, 200, 1))),
    );
    const world = worldOf(stepPlan(`${url}/`));
    const api = world.api();
    const first = await world.dispatcher('first', ALL_SHARDS);
    await api.startRun('x');
    await until(() => app.requests.length === 1);
    let hear = (): void => undefined;
    first.client.deaf = new Promise((resolve) => (hear = resolve));
    await api.startRun('y');
    answer();
    expect((await api.ended('x'))?.run.status).toBe('completed');
    const positionOf = async (key: string) => (await world.log.readStream(runStream(runIdOf(key)))).at(-1)!.position;
    expect(await positionOf('x')).toBeGreaterThan(await positionOf('y'));
    await first.ownership.release(ALL_SHARDS);
    hear();
    for (const position of (await world.openRuns.checkpoints(ALL_SHARDS)).values())
      expect(position).toBeLessThan(await positionOf('y'));
    await world.dispatcher('heir', ALL_SHARDS);
    await until(() => app.requests.length === 2);
    answer();
    expect((await api.ended('y'))?.run.status).toBe('completed');
  });
});

describe('a dispatcher that has not shown of late that it lives', () => {
  it('starts nothing, and offers again what it refused once it has', async () => {
    const { app, url } = await application();
    const world = worldOf(stepPlan(`${url}/`));
    const api = world.api();
    const { ownership, client } = await world.dispatcher('d', ALL_SHARDS);
    ownership.mayStart = false;
    await api.startRun('x');
    await until(() => client.subscriptions === 1);
    await sleep(50);
    expect(app.requests).toEqual([]);
    ownership.mayStart = true;
    expect((await api.ended('x'))?.run.status).toBe('completed');
  });
});
