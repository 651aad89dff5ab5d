import { afterEach, describe, expect, it } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Plan } from '#domain';
import { ALL_SHARDS, runStream } from '#event-store';
import { parallel, planOf, step } from '../../../domain/src/testing/tree-plans.js';
import { Application, json, runIdOf, stepPlan } from '../testing/dispatch-world.js';
import {
  attemptsOf,
  keys,
  sentTo,
  shardOfKey as shard,
  SplitWorld,
  threeSteps,
  until,
} from '../testing/split-world.js';

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

describe('a dispatcher that takes over', () => {
  it('from one that was killed loses nothing: what the table told, and what only the log told', async () => {
    let up = false;
    const { app, url } = await application((made) =>
      made.on('/two', (_request, response) => {
        if (up) json(response, 200, 'two');
      }),
    );
    const world = worldOf(threeSteps(url));
    const api = world.api();
    const dead = await world.dispatcher('dead', ALL_SHARDS);
    const names = keys(20);
    await Promise.all(names.slice(0, 10).map((key) => api.startRun(key)));
    await until(() => app.requests.length === 20);
    await until(async () => (await world.openRuns.count(ALL_SHARDS)) === 10);
    await Promise.all(names.slice(10).map((key) => api.startRun(key)));
    await until(() => app.requests.length === 40);
    dead.kill();
    // Started while nobody owned their shards.
    await Promise.all(['p', 'q'].map((key) => api.startRun(key)));
    up = true;
    await world.dispatcher('heir', ALL_SHARDS);
    for (const key of [...names, 'p', 'q']) expect((await api.ended(key))?.run.status).toBe('completed');
    // What was answered before the kill is not asked again, and what was in flight is recorded as unknown.
    for (const key of names) {
      const { run } = (await api.engine.load(runIdOf(key)))!;
      expect(attemptsOf(run).map(({ outcome }) => outcome)).toEqual(['succeeded', 'unknown', 'succeeded', 'succeeded']);
    }
  });

  it('has its checkpoint pass no commit that neither a row nor anybody has taken note of', async () => {
    const { app, url } = await application();
    const plan = stepPlan(`${url}/`);
    const world = worldOf(plan);
    const api = world.api();
    // The run cannot be looked at: its plan does not come.
    let give = (): void => undefined;
    const late = new Promise<Plan>((resolve) => (give = () => resolve(plan)));
    const dead = await world.dispatcher('dead', ALL_SHARDS, { plans: { cachedPlan: () => null, plan: () => late } });
    await api.startRun('x');
    const { position } = (await world.log.readStream(runStream(runIdOf('x')))).at(-1)!;
    const checkpoint = async () => (await world.openRuns.checkpoints([shard('x')])).get(shard('x'))!;
    await until(async () => (await checkpoint()) >= position);
    expect(await world.openRuns.due([shard('x')], Infinity, null, 10)).toEqual([{ runId: runIdOf('x'), dueMs: 0 }]);
    dead.kill();
    give();
    await world.dispatcher('heir', ALL_SHARDS);
    expect((await api.ended('x'))?.run.status).toBe('completed');
    expect(app.requests).toHaveLength(1);
  });

  it('waits until it is sure whose an attempt is that was started after its take-over', async () => {
    const { app, url } = await application((made) =>
      made.on('/a', (_request, response) => {
        if (app.requests.length > 1) json(response, 200, 'heir');
      }),
    );
    const plan = planOf(parallel({ name: 'all' }, step('a'), step('b')));
    const nodes = plan.nodes.map((node) => (node.type === 'step' ? sentTo(node, url) : node));
    const world = worldOf({ ...plan, nodes });
    const api = world.api();
    const zombie = await world.dispatcher('zombie', ALL_SHARDS, { attemptsPerOriginMax: 1 });
    const heir = await world.dispatcher('heir', ALL_SHARDS);
    let wake = (): void => undefined;
    heir.client.deaf = new Promise((resolve) => (wake = resolve));
    await api.startRun('x');
    // Its start is later than the heir's take-over; the other branch is owed, and has no slot there.
    await until(() => app.requests.length === 1);
    zombie.kill();
    wake();
    await sleep(50);
    expect(app.requests).toHaveLength(1);
    const { run } = (await api.ended('x'))!;
    expect(attemptsOf(run).map(({ outcome, dispatcher }) => [outcome, dispatcher])).toEqual([
      ['unknown', 'zombie'],
      ['succeeded', 'heir'],
      ['succeeded', 'heir'],
    ]);
  });

  it('takes over what is in its memory already, since somebody looked at it there', async () => {
    const { app, url } = await application((made) =>
      made.on('/', (_request, response) => {
        if (app.requests.length > 1) json(response, 200, 'heir');
      }),
    );
    const world = worldOf(stepPlan(`${url}/`));
    const api = world.api();
    const dead = await world.dispatcher('dead', ALL_SHARDS);
    const heir = await world.dispatcher('heir', []);
    await api.startRun('x');
    await until(() => app.requests.length === 1);
    expect((await heir.engine.load(runIdOf('x')))?.run.status).toBe('running');
    dead.kill();
    heir.ownership.gain(ALL_SHARDS);
    expect((await api.ended('x'))?.run.status).toBe('completed');
  });

  it('while its subscription moves on misses nothing of what it gains, and meets nothing twice', async () => {
    const { app, url } = await application();
    const world = worldOf(stepPlan(`${url}/`));
    const api = world.api();
    const [x, y] = [shard('x'), shard('y')];
    expect(x).not.toBe(y);
    const { ownership, client } = await world.dispatcher('d', [y]);
    await api.run('y');
    let goOn = (): void => undefined;
    client.slow = new Promise((resolve) => (goOn = resolve));
    ownership.gain([x]);
    await sleep(20);
    // Past the head that the take-over has read, and before the place where the subscription is when it is done.
    await api.startRun('x');
    const later = keys(500).find((key) => shard(key) === y)!;
    await api.run(later);
    goOn();
    expect((await api.ended('x'))?.run.status).toBe('completed');
    expect(app.requests).toHaveLength(3);
    expect(client.reads).toEqual([]);
  });
});

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
