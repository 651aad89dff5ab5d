import { afterEach, describe, expect, it } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Plan } from '#domain';
import { ALL_SHARDS, runStream, shardOf, type Shard } from '#event-store';
import { planOf, sequence, step } from '../../../domain/src/testing/tree-plans.js';
import { attemptsIn } from '../../../engine/src/testing/history-in.js';
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
    nodes: plan.nodes.map((node) => (node.type === 'step' ? { ...node, url: `${url}/${node.name}` } : node)),
    policies: plan.policies.map(({ retry, timeouts }) => ({
      retry: { ...retry, initialIntervalMs: 20, jitter: 'none' },
      timeouts,
    })),
  };
};

const until = async (holds: () => Promise<boolean> | boolean): Promise<void> => {
  while (!(await holds())) await sleep(2);
};

const shard = (key: string): Shard => shardOf(runIdOf(key));
/** A run of the same shard as `x`. */
const LIKE_X = Array.from({ length: 1_000 }, (_, index) => `x${index}`).find((key) => shard(key) === shard('x'))!;

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
    expect([run.status, ...(await attemptsIn(world.log, runIdOf('x'))).map(({ outcome }) => outcome)]).toEqual([
      'completed',
      'succeeded',
    ]);
  });

  it('waits for what takes long, starts nothing meanwhile, and has nothing made twice', async () => {
    let answer = (): void => undefined;
    const { app, url } = await application((made) =>
      made.on('/one', (_request, response) => {
        if (app.requests.length === 1) answer = () => json(response, 200, 'old');
        else json(response, 200, 'heir');
      }),
    );
    const world = worldOf(threeSteps(url));
    const api = world.api();
    const old = await world.dispatcher('old', ALL_SHARDS);
    await api.startRun('x');
    await until(() => app.requests.length === 1);
    let isReleased = false;
    const released = old.ownership.release(ALL_SHARDS).then(() => (isReleased = true));
    await until(() => old.ownership.status().shards.length === 1);
    await api.startRun(LIKE_X);
    // Its step is entered, which whoever follows the shard next is told of.
    await until(() => old.client.given.length === 3);
    // Longer than a release waited once.
    await sleep(300);
    expect([app.requests.length, isReleased]).toEqual([1, false]);
    answer();
    await released;
    expect(old.dispatcher.shardCounts).toEqual({ owned: 0, acting: 0 });
    const due = await world.openRuns.due(ALL_SHARDS, Infinity, null, 10);
    for (const key of ['x', LIKE_X]) expect(due).toContainEqual({ runId: runIdOf(key), dueMs: 0 });
    const appended = old.client.appends;
    await world.dispatcher('heir', ALL_SHARDS);
    for (const key of ['x', LIKE_X]) {
      await api.ended(key);
      const [first, ...later] = (await attemptsIn(world.log, runIdOf(key))).map(({ outcome, dispatcher }) => [
        outcome,
        dispatcher,
      ]);
      expect(first).toEqual(['succeeded', key === 'x' ? 'old' : 'heir']);
      expect(later).toEqual([
        ['succeeded', 'heir'],
        ['succeeded', 'heir'],
      ]);
    }
    expect(app.requests).toHaveLength(6);
    expect(old.client.appends).toBe(appended);
  });

  it('waits for an attempt whose start is on its way to the log, and has it made', async () => {
    const { app, url } = await application();
    const world = worldOf(stepPlan(`${url}/`));
    const api = world.api();
    const old = await world.dispatcher('old', ALL_SHARDS);
    let arrive = (): void => undefined;
    old.client.afterAppend = () => new Promise((resolve) => (arrive = resolve));
    await api.startRun('x');
    await until(() => old.client.appends === 1);
    const released = old.ownership.release(ALL_SHARDS);
    await until(() => old.ownership.status().shards.length <= 1);
    old.client.afterAppend = null;
    arrive();
    await released;
    const { run } = (await api.ended('x'))!;
    expect([run.status, (await attemptsIn(world.log, runIdOf('x'))).map(({ outcome }) => outcome)]).toEqual([
      'completed',
      ['succeeded'],
    ]);
    expect(app.requests).toHaveLength(1);
  });

  it('waits until what came of an attempt is recorded', async () => {
    let answer = (): void => undefined;
    const { app, url } = await application((made) =>
      made.on('/', (_request, response) => (answer = () => json(response, 200, 1))),
    );
    const world = worldOf(stepPlan(`${url}/`));
    const api = world.api();
    const old = await world.dispatcher('old', ALL_SHARDS);
    await api.startRun('x');
    await until(() => app.requests.length === 1);
    // The stream is said to have moved on, and cannot be read.
    const { client } = old;
    let refused = false;
    client.append = (append, settle) => queueMicrotask(() => settle({ status: 'conflict', actual: append.expected }));
    client.readPages = () => {
      refused = true;
      throw new Error('away');
    };
    answer();
    await until(() => refused);
    for (const method of ['append', 'readPages'] as const) Reflect.deleteProperty(client, method);
    await old.ownership.release(ALL_SHARDS);
    expect(await api.status('x')).toBe('completed');
    await world.dispatcher('heir', ALL_SHARDS);
    await api.ended('x');
    expect((await attemptsIn(world.log, runIdOf('x'))).map(({ outcome }) => outcome)).toEqual(['succeeded']);
    expect(app.requests).toHaveLength(1);
  });

  it('keeps one whose attempts take too long, makes those that waited, and is not asked again at once', async () => {
    const answers: (() => void)[] = [];
    const { app, url } = await application((made) =>
      made.on('/', (_request, response) => answers.push(() => json(response, 200, 1))),
    );
    const world = worldOf(stepPlan(`${url}/`));
    const api = world.api();
    const { ownership, dispatcher } = await world.dispatcher('d', ALL_SHARDS, {
      releaseTimes: { waitMs: 300, againMs: 500 },
    });
    await api.startRun('x');
    await until(() => app.requests.length === 1);
    expect(ownership.holder!.movable(ALL_SHARDS).at(-1)).toBe(shard('x'));
    const released = ownership.release(ALL_SHARDS);
    await api.startRun(LIKE_X);
    await released;
    expect(ownership.status().shards).toEqual([shard('x')]);
    expect(dispatcher.shardCounts).toEqual({ owned: 1, acting: 1 });
    expect(ownership.holder!.movable(ALL_SHARDS)).toEqual([]);
    await until(() => app.requests.length === 2);
    for (const answer of answers) answer();
    for (const key of ['x', LIKE_X]) {
      const { run } = (await api.ended(key))!;
      expect([run.status, (await attemptsIn(world.log, runIdOf(key))).map(({ outcome }) => outcome)]).toEqual([
        'completed',
        ['succeeded'],
      ]);
    }
    await until(() => ownership.holder!.movable(ALL_SHARDS).length === 1);
    await ownership.release(ALL_SHARDS);
    expect(dispatcher.shardCounts).toEqual({ owned: 0, acting: 0 });
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
