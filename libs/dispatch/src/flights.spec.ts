import { afterEach, describe, expect, it } from '@jest/globals';
import type { Plan, Run } from '#domain';
import { NOBODY } from '#engine';
import { MemoryEventStore } from '#event-store';
import { parallel, planOf, step } from '../../domain/src/testing/tree-plans.js';
import { eventually } from '../../../test/support/pause.js';
import { historyIn } from '../../engine/src/testing/history-in.js';
import { Application, DispatchWorld, json, runIdOf, stepPlan } from './testing/dispatch-world.js';

const open: { stop(): Promise<void> }[] = [];
afterEach(async () => {
  for (const part of open.splice(0).reverse()) await part.stop();
});

const application = async (prepare: (app: Application) => unknown) => {
  const app = new Application();
  prepare(app);
  open.push(app);
  return { app, url: await app.start() };
};

const world = async (...args: ConstructorParameters<typeof DispatchWorld>): Promise<DispatchWorld> => {
  const started = await new DispatchWorld(...args).start();
  open.push(started);
  return started;
};

const soon = (what: string, holds: () => boolean) => eventually(what, () => Promise.resolve(holds() ? true : null));
const load = async (made: DispatchWorld, key: string): Promise<Run> => (await made.engine.load(runIdOf(key)))!.run;

/** Its steps go to paths of their names. */
const at = (url: string, plan: Plan): Plan => ({
  ...plan,
  nodes: plan.nodes.map((node) => (node.type === 'step' ? { ...node, url: `${url}/${node.name}` } : node)),
});
const LONG = { timeouts: { answerMs: 60_000 } };

describe('an attempt whose step ends while its run goes on', () => {
  const hanging = async () => {
    const closed: string[] = [];
    const made = await application((app) => {
      for (const path of ['/slow', '/stays', '/late'])
        app.on(path, (request) => void request.socket.on('close', () => closed.push(path)));
      app.on(
        '/fails',
        (_request, response) =>
          // Not before its neighbour's request has come.
          void soon('the slow request', () => app.requests.some(({ path }) => path === '/slow')).then(() =>
            json(response, 404, {}),
          ),
      );
    });
    return { ...made, closed };
  };

  it('is cut off when a step beside it fails', async () => {
    const { url, closed } = await hanging();
    const inner = parallel({ name: 'inner' }, step('slow', LONG), step('fails', LONG));
    const made = await world(
      at(url, planOf(parallel({ name: 'all', onError: 'continue' }, inner, step('stays', LONG)))),
    );
    await made.startRun('a');
    await soon('the end of the connection', () => closed.includes('/slow'));
    expect(closed).toEqual(['/slow']);
    expect(made.dispatcher.load).toMatchObject({ inFlight: 1 });
    const run = await load(made, 'a');
    expect(run.status).toBe('running');
    expect((await historyIn(made.store, runIdOf('a'))).steps.get('all.inner.slow')!.attempts).toMatchObject([
      { outcome: 'may-have-executed' },
    ]);
  });

  it('is cut off when its step has taken too long', async () => {
    const { url, closed } = await hanging();
    const late = step('late', { timeouts: { answerMs: 60_000, stepMs: 100 } });
    const made = await world(
      at(url, planOf(parallel({ name: 'all', onError: 'continue' }, late, step('stays', LONG)))),
    );
    await made.startRun('a');
    await soon('the end of the connection', () => closed.includes('/late'));
    expect(made.dispatcher.load).toMatchObject({ inFlight: 1 });
    expect((await load(made, 'a')).status).toBe('running');
  });

  it('is cut off when the run completes without it', async () => {
    const { url, closed } = await hanging();
    const inner = parallel({ name: 'inner' }, step('slow', LONG), step('fails', LONG));
    const made = await world(at(url, planOf(parallel({ name: 'all', onError: 'continue' }, inner))));
    expect((await made.run('a')).run.status).toBe('completed');
    await soon('the end of the connection', () => closed.includes('/slow'));
    expect(made.dispatcher.load).toMatchObject({ inFlight: 0 });
  });
});

describe('an attempt that ends while it waits for a connection', () => {
  /** One connection, which a run holds until it is told; whatever begins meanwhile waits for it. */
  const queued = async (plan: (url: string) => Plan, store = new MemoryEventStore()) => {
    let free = (): void => undefined;
    const made = await application((app) =>
      app
        .on('/holds', (_request, response) => {
          free = () => json(response, 200, {});
        })
        .on('/fails', (_request, response) => json(response, 404, {})),
    );
    const holds = stepPlan(`${made.url}/holds`, { timeouts: { connectMs: 500, answerMs: 60_000, stepMs: null } });
    const plans = new Map([['holds', holds]]);
    const options = { connectionsPerOriginMax: 1 };
    const here = await world(plan(made.url), { plans, options, store });
    await here.startRun('holder', {}, { plan: 'holds' });
    await soon('the holder', () => made.app.requests.length === 1);
    return { ...made, made: here, free: () => free() };
  };
  const expectUnsent = async (made: DispatchWorld, key: string): Promise<void> => {
    const { steps } = await historyIn(made.store, runIdOf('a'));
    expect(steps.get(key)!.attempts).toMatchObject([{ outcome: 'not-executed' }]);
  };

  it.each(['step', 'run'])('was not executed when its %s has taken too long', async (what) => {
    const stepMs = what === 'step' ? 100 : null;
    const timeouts = { connectMs: 500, answerMs: 60_000, stepMs };
    const { app, made, free } = await queued((url) => stepPlan(`${url}/a`, { timeouts }));
    const { run } = await made.run('a', {}, { timeoutMs: what === 'run' ? 100 : null });
    expect(run.error?.name).toBe(what === 'step' ? 'Stepwell.StepTimeout' : 'Stepwell.RunTimeout');
    await expectUnsent(made, 'only');
    free();
    await made.ended('holder');
    await made.run('next');
    expect(app.requests.map(({ path }) => path)).toEqual(['/holds', '/a']);
  });

  it('was not executed when its run is cancelled', async () => {
    const { made } = await queued((url) => stepPlan(`${url}/a`));
    await made.startRun('a');
    await soon('the attempt', () => made.dispatcher.load.inFlight === 2);
    await made.engine.cancel(runIdOf('a'), null, NOBODY);
    await expectUnsent(made, 'only');
    expect(made.dispatcher.load.inFlight).toBe(1);
  });

  it('was not executed when a step beside it fails', async () => {
    const other = await application((app) => app.on('/', (_request, response) => json(response, 404, {})));
    const { made } = await queued((url) => {
      const plan = at(
        url,
        planOf(parallel({ name: 'all' }, step('fails'), step('waits', { timeouts: { connectMs: 500 } }))),
      );
      return {
        ...plan,
        nodes: plan.nodes.map((node) =>
          node.type === 'step' && node.name === 'fails' ? { ...node, url: `${other.url}/` } : node,
        ),
      };
    });
    const { run } = await made.run('a');
    expect(run.status).toBe('failed');
    await expectUnsent(made, 'all.waits');
  });

  it('leaves its slot to who stands in line, though its connection comes before the append that ends it', async () => {
    const { app, url } = await application((made) => made.on('/', (_request, response) => json(response, 200, {})));
    const store = new MemoryEventStore();
    const append = store.append.bind(store);
    const held: (() => void)[] = [];
    let holds = false;
    store.append = (given, settle) => {
      if (holds) held.push(() => append(given, settle));
      else append(given, settle);
    };
    const made = await world(stepPlan(`${url}/`), { store, options: { attemptsPerOriginMax: 1 } });
    await Promise.all(['a', 'b', 'c'].map((key) => made.startRun(key)));
    // The first has its slot and looks for a connection, the others stand in line.
    holds = true;
    const cancelled = made.engine.cancel(runIdOf('a'), null, NOBODY);
    await soon('the end of the first', () => made.dispatcher.load.inFlight === 0 || held.length > 1);
    holds = false;
    for (const commit of held) commit();
    expect(await cancelled).toMatchObject({ status: 'cancelled' });
    for (const key of ['b', 'c']) expect((await made.ended(key))?.run.status).toBe('completed');
    expect(app.requests).toHaveLength(2);
  });

  it('is not sent when its connection comes while the append that ends it is on its way', async () => {
    let commit: (() => void) | null = null;
    const store = new MemoryEventStore();
    const append = store.append.bind(store);
    store.append = (given, settle) => {
      if (given.events.some(({ type }) => type === 'RunCancelled')) commit = () => append(given, settle);
      else append(given, settle);
    };
    const { app, made, free } = await queued((url) => stepPlan(`${url}/a`), store);
    await made.startRun('a');
    await soon('the attempt', () => made.dispatcher.load.inFlight === 2);
    const cancelled = made.engine.cancel(runIdOf('a'), null, NOBODY);
    await soon('the append', () => commit !== null);
    free();
    await made.ended('holder');
    // The connection is free by now, and somebody who comes later is served by it.
    await made.run('next');
    commit!();
    expect(await cancelled).toMatchObject({ status: 'cancelled' });
    await expectUnsent(made, 'only');
    expect(app.requests.map(({ headers }) => headers['stepwell-run-id'])).toEqual([runIdOf('holder'), runIdOf('next')]);
  });
});
