import { afterEach, describe, expect, it } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Plan } from '#domain';
import { ALL_SHARDS, LOG_START, runStream, shardOf, type Shard } from '#event-store';
import { parallel, planOf, sequence, step } from '../../../domain/src/testing/tree-plans.js';
import { attemptsIn, historyIn } from '../../../engine/src/testing/history-in.js';
import { Application, json, runIdOf, stepPlan } from '../testing/dispatch-world.js';
import { SplitWorld, type Api, type DispatcherProcess } from '../testing/split-world.js';

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

const thirds = [0, 1, 2].map((rest) => ALL_SHARDS.filter((shard) => shard % 3 === rest));
const keys = (count: number): string[] => Array.from({ length: count }, (_, index) => `k${index}`);
const shard = (key: string): Shard => shardOf(runIdOf(key));

/** Sent by the ledger of the application: never the same attempt twice, and no more than the log accounts for. */
const expectAccounted = async (app: Application, { engine, log }: Api, names: readonly string[]): Promise<void> => {
  const sent = app.requests.map(({ headers }) =>
    [headers['stepwell-run-id'], headers['stepwell-step'], headers['stepwell-attempt']].join(' '),
  );
  expect(new Set(sent).size).toBe(sent.length);
  for (const key of names) {
    const { run } = (await engine.load(runIdOf(key)))!;
    expect([key, run.status]).toEqual([key, 'completed']);
    for (const { attempts, key: name } of (await historyIn(log, runIdOf(key))).steps.values()) {
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

  it('are given what others have appended for them, and nothing of their own', async () => {
    const { url } = await application();
    const world = worldOf(threeSteps(url));
    const [starter, other] = [world.api(), world.api()];
    const { client } = await world.dispatcher('d', ALL_SHARDS);
    // From the first on both APIs follow the log, and a little longer.
    for (const key of ['y', 'x']) {
      await starter.startRun(key);
      await Promise.all([starter, other].map((api) => api.ended(key)));
    }
    const [stored, ofY] = await Promise.all(
      ['x', 'y'].map((key) =>
        world.log.readAll(LOG_START, { limit: 100, filter: { stream: runStream(runIdOf(key)) } }),
      ),
    );
    const [start, ...rest] = stored!;
    expect(client.given).toEqual([ofY![0], start]);
    expect(rest.length).toBeGreaterThan(2);
    for (const { client: given } of [starter, other])
      expect(given.given.filter(({ stream }) => stream === start!.stream)).toEqual(rest);
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
    expect(await attemptsIn(world.log, runIdOf('x'))).toMatchObject([
      { outcome: 'may-have-executed', error: { name: 'Stepwell.Abandoned' } },
    ]);
  });
});

/** The runs of a quiet machine are over before. */
const MOVES_MAX = 250;

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
      // Not for ever: on a busy machine shards could move faster than anything is done in between.
      for (let turn = 0; going && turn < MOVES_MAX; turn++) {
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
    expect((await attemptsIn(world.log, runIdOf('x'))).map(({ outcome, dispatcher }) => [outcome, dispatcher])).toEqual(
      [
        ['unknown', 'zombie'],
        ['succeeded', 'heir'],
        ['succeeded', 'heir'],
        ['succeeded', 'heir'],
      ],
    );
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
      expect((await attemptsIn(world.log, runIdOf(key))).map(({ outcome }) => outcome)).toEqual(['unknown', 'running']);
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
    await api.ended('x');
    expect((await attemptsIn(world.log, runIdOf('x'))).map(({ outcome }) => outcome)).toEqual(['unknown', 'succeeded']);
  });
});

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
    await expectAccounted(app, api, [...names, 'p', 'q']);
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
    const nodes = plan.nodes.map((node) => (node.type === 'step' ? { ...node, url: `${url}/${node.name}` } : node));
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
    await api.ended('x');
    expect((await attemptsIn(world.log, runIdOf('x'))).map(({ outcome, dispatcher }) => [outcome, dispatcher])).toEqual(
      [
        ['unknown', 'zombie'],
        ['succeeded', 'heir'],
        ['succeeded', 'heir'],
      ],
    );
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
