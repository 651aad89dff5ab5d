import { afterEach, describe, expect, it } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Plan } from '#domain';
import { ALL_SHARDS, type Shard } from '#event-store';
import { Application, json, runIdOf, stepPlan } from '../testing/dispatch-world.js';
import {
  attemptsOf,
  keys,
  shardOfKey as shard,
  SplitWorld,
  threeSteps,
  until,
  type Api,
  type DispatcherProcess,
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

const thirds = [0, 1, 2].map((rest) => ALL_SHARDS.filter((shard) => shard % 3 === rest));

/** Sent by the ledger of the application: never the same attempt twice, and no more than the log accounts for. */
const expectAccounted = async (app: Application, api: Api, names: readonly string[]): Promise<void> => {
  const sent = app.requests.map(({ headers }) =>
    [headers['stepwell-run-id'], headers['stepwell-step'], headers['stepwell-attempt']].join(' '),
  );
  expect(new Set(sent).size).toBe(sent.length);
  for (const key of names) {
    const { run } = (await api.engine.load(runIdOf(key)))!;
    expect([key, run.status]).toEqual([key, 'completed']);
    for (const { attempts, key: name } of run.steps.values()) {
      const effects = sent.filter((one) => one.startsWith(`${runIdOf(key)} ${name} `)).length;
      const uncertain = attempts.filter(({ outcome }) => outcome === 'unknown' || outcome === 'may-have-executed');
      expect(effects).toBeGreaterThanOrEqual(1);
      expect(effects).toBeLessThanOrEqual(1 + uncertain.length);
      expect(attempts.filter(({ outcome }) => outcome === 'succeeded')).toHaveLength(1);
    }
  }
};

describe('two APIs and three dispatchers on one log', () => {
  it('run what either starts, each step once, and wake who waits at both', async () => {
    const { app, url } = await application();
    const world = worldOf(threeSteps(url));
    const [a, b] = [world.api(), world.api()];
    const dispatchers = await Promise.all(thirds.map((shards, index) => world.dispatcher(`d${index}`, shards)));
    const names = keys(60);
    const ends = await Promise.all(
      names.map(async (key, index) => {
        const [starter, other] = index % 2 === 0 ? [a, b] : [b, a];
        await starter.startRun(key);
        expect(await other.status(key)).toBeDefined();
        return Promise.all([starter.ended(key), other.ended(key)]);
      }),
    );
    for (const both of ends) expect(both.map((loaded) => loaded?.run.status)).toEqual(['completed', 'completed']);
    await expectAccounted(app, a, names);
    expect(app.requests).toHaveLength(180);
    // A start and the end of each step: what a dispatcher follows it folds, and its own commits it knows.
    for (const { client } of dispatchers) expect(client.reads).toEqual([]);
    const appends = dispatchers.reduce((sum, { client }) => sum + client.appends, 0);
    expect(appends).toBe(240);
  });

  it('make one run of 200 starts of one key', async () => {
    const { app, url } = await application();
    const world = worldOf(stepPlan(`${url}/`));
    const [a, b] = [world.api(), world.api()];
    await world.dispatcher('d', ALL_SHARDS);
    const replies = await Promise.all(keys(200).map((_, index) => (index % 2 === 0 ? a : b).startRun('same')));
    expect(replies.map(({ status }) => status).sort()).toEqual(
      ['replayed', 'started'].flatMap((status) => Array<string>(status === 'started' ? 1 : 199).fill(status)),
    );
    expect((await a.ended('same'))?.run.status).toBe('completed');
    expect(app.requests).toHaveLength(1);
    expect((await world.typesOf('same')).filter((type) => type === 'RunStarted')).toHaveLength(1);
  });

  it('cancel through one API what the other started: the attempt in flight is closed, and cut off', async () => {
    let cut = false;
    const { app, url } = await application((made) =>
      made.on('/', (_request, response) => response.on('close', () => (cut = true))),
    );
    const world = worldOf(stepPlan(`${url}/`, { timeouts: { connectMs: 500, answerMs: 600_000, stepMs: null } }));
    const [a, b] = [world.api(), world.api()];
    const { dispatcher } = await world.dispatcher('d', ALL_SHARDS);
    await a.startRun('x');
    await until(() => app.requests.length === 1);
    expect(await b.cancel('x')).toMatchObject({ status: 'cancelled' });
    expect(await a.status('x')).toBe('cancelled');
    await until(() => cut);
    expect(dispatcher.load.inFlight).toBe(0);
    const { run } = (await a.engine.load(runIdOf('x')))!;
    expect(attemptsOf(run)).toMatchObject([{ outcome: 'may-have-executed', error: { name: 'Stepwell.Abandoned' } }]);
  });
});

describe('shards that move under load', () => {
  /** Every few milliseconds some shards go to the next dispatcher. */
  const moving = async (
    world: SplitWorld,
    move: (from: DispatcherProcess, shards: Shard[]) => Promise<void> | void,
  ) => {
    const dispatchers = await Promise.all(thirds.map((shards, index) => world.dispatcher(`d${index}`, shards)));
    const holding = thirds.map((shards) => [...shards]);
    let going = true;
    const mover = (async () => {
      for (let turn = 0; going; turn++) {
        const from = turn % 3;
        const to = (from + 1 + (turn % 2)) % 3;
        const moved = holding[from]!.splice(0, 7);
        await move(dispatchers[from]!, moved);
        dispatchers[to]!.ownership.gain(moved);
        holding[to]!.push(...moved);
        await sleep(10);
      }
    })();
    return async () => {
      going = false;
      await mover;
    };
  };

  it.each([
    ['released', (from: DispatcherProcess, shards: Shard[]) => from.ownership.release(shards)],
    ['lost', (from: DispatcherProcess, shards: Shard[]) => from.ownership.lose(shards)],
  ])('%s: every run ends, no attempt is made twice, and what is uncertain is recorded so', async (_how, move) => {
    const answer = (_request: unknown, response: Parameters<typeof json>[0]): void =>
      void sleep(8).then(() => json(response, 200, 'done'));
    const { app, url } = await application((made) => made.on('/one', answer).on('/two', answer).on('/three', answer));
    const world = worldOf(threeSteps(url));
    const [a, b] = [world.api(), world.api()];
    const stopMoving = await moving(world, move);
    const names = keys(150);
    await Promise.all(names.map((key, index) => (index % 2 === 0 ? a : b).run(key)));
    await stopMoving();
    await expectAccounted(app, a, names);
  });
});

describe('a dispatcher that has lost a shard', () => {
  it('and is told late is fenced: its answer changes nothing, and it starts nothing more for the run', async () => {
    const answers: (() => void)[] = [];
    const { app, url } = await application((made) =>
      made.on('/one', (_request, response) => answers.push(() => json(response, 200, answers.length))),
    );
    const world = worldOf(threeSteps(url));
    const api = world.api();
    const zombie = await world.dispatcher('zombie', ALL_SHARDS);
    await api.startRun('x');
    await until(() => answers.length === 1);
    let wake = (): void => undefined;
    zombie.client.deaf = new Promise((resolve) => (wake = resolve));
    await world.dispatcher('heir', [shard('x')]);
    await until(() => answers.length === 2);
    const before = await world.typesOf('x');
    const appends = zombie.client.appends;
    answers[0]!();
    // Its append conflicts, and what it reads then says that another has taken over.
    await until(() => zombie.dispatcher.load.superseded === 1);
    expect(zombie.client.appends).toBe(appends + 1);
    expect(await world.typesOf('x')).toEqual(before);
    answers[1]!();
    expect((await api.ended('x'))?.run.status).toBe('completed');
    wake();
    zombie.ownership.lose([shard('x')]);
    await expectAccounted(app, api, ['x']);
    const { run } = (await api.engine.load(runIdOf('x')))!;
    expect(attemptsOf(run).map(({ outcome, dispatcher }) => [outcome, dispatcher])).toEqual([
      ['unknown', 'zombie'],
      ['succeeded', 'heir'],
      ['succeeded', 'heir'],
      ['succeeded', 'heir'],
    ]);
  });

  it('drops what is in flight at once: nothing of it reaches the log, also of an append under way', async () => {
    const { app, url } = await application((made) => made.on('/', () => undefined));
    const world = worldOf(stepPlan(`${url}/`));
    const api = world.api();
    const loser = await world.dispatcher('loser', ALL_SHARDS);
    await api.startRun('x');
    await until(() => app.requests.length === 1);
    const held: (() => void)[] = [];
    loser.client.afterAppend = () => new Promise((resolve) => held.push(resolve));
    await api.startRun('y');
    // The start of its attempt is in the log, and the loser does not know it yet.
    await until(() => held.length === 1);
    loser.ownership.lose(ALL_SHARDS);
    held[0]!();
    await until(() => loser.dispatcher.load.inFlight === 0);
    expect(app.requests).toHaveLength(1);
    const appended = loser.client.appends;
    await world.dispatcher('heir', ALL_SHARDS);
    await until(() => app.requests.length === 3);
    expect(loser.client.appends).toBe(appended);
    for (const key of ['x', 'y']) {
      const { run } = (await api.engine.load(runIdOf(key)))!;
      expect(attemptsOf(run).map(({ outcome }) => outcome)).toEqual(['unknown', 'running']);
    }
  });

  it('and gains it again knows nothing of the attempts it made before', async () => {
    let answered = 0;
    const { url } = await application((made) =>
      made.on('/', (_request, response) => {
        if (answered++ > 0) json(response, 200, 'again');
      }),
    );
    const world = worldOf(stepPlan(`${url}/`));
    const api = world.api();
    const { ownership } = await world.dispatcher('d', ALL_SHARDS);
    await api.startRun('x');
    await until(() => answered === 1);
    ownership.lose(ALL_SHARDS);
    ownership.gain(ALL_SHARDS);
    const { run } = (await api.ended('x'))!;
    expect(attemptsOf(run).map(({ outcome }) => outcome)).toEqual(['unknown', 'succeeded']);
  });
});
