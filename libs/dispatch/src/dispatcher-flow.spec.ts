import { afterEach, describe, expect, it } from '@jest/globals';
import type { FlowLimit } from '#runtime';
import { parallel, planOf, step } from '../../domain/src/testing/tree-plans.js';
import { eventually } from '../../../test/support/pause.js';
import { dispatcherMetrics } from './dispatcher-metrics.js';
import { Application, DispatchWorld, json, runIdOf, stepPlan, type Handler } from './testing/dispatch-world.js';

const open: { stop(): Promise<void> }[] = [];
afterEach(async () => {
  for (const part of open.splice(0).reverse()) await part.stop();
});

const application = async (handler: Handler): Promise<{ app: Application; url: string }> => {
  const app = new Application().on('/', handler);
  open.push(app);
  return { app, url: await app.start() };
};

const world = async (...args: ConstructorParameters<typeof DispatchWorld>): Promise<DispatchWorld> => {
  const made = await new DispatchWorld(...args).start();
  open.push(made);
  return made;
};

const limitOf = (change: Partial<FlowLimit>): FlowLimit => ({
  kind: 'queue',
  name: 'default',
  namespace: null,
  concurrency: null,
  ratePerSecond: null,
  burst: 1,
  ...change,
});

const waitsOf = async (made: DispatchWorld, key: string) => {
  const loaded = await made.engine.load(runIdOf(key));
  return made.engine.waitsOf(runIdOf(key), loaded!.run);
};

describe('Dispatcher, flow control', () => {
  it('burns no attempt of a target that is down, probes it with one, goes on when it is well, and shows it', async () => {
    let down = true;
    const { app, url } = await application((_request, response) => json(response, down ? 503 : 200, {}));
    const breaker = { faults: 5, openMs: 300, openMaxMs: 300 };
    const made = await world(stepPlan(`${url}/`, {}, { maxAttempts: 3 }), {
      options: { breaker, attemptsPerOriginMax: 1 },
    });
    for (let run = 0; run < 30; run++) await made.startRun(String(run));
    const metrics = dispatcherMetrics(made.dispatcher, made.openRuns, made.ownership);
    const counted = async () => (await metrics.stepwell_breakers!()).reduce((sum, { value }) => sum + value, 0);
    await eventually('an open breaker', async () => (made.dispatcher.breakers.news.length > 0 ? true : null));
    expect(made.dispatcher.breakers.news).toMatchObject([{ target: url }]);
    expect(await counted()).toBe(1);
    expect(app.requests).toHaveLength(5);
    await eventually('the first probe', async () => (app.requests.length > 5 ? true : null));
    // One at a time goes through, of 30 runs that are due.
    expect(app.requests).toHaveLength(6);
    down = false;
    const statuses = await Promise.all(
      Array.from({ length: 30 }, async (_, run) => (await made.ended(String(run)))?.run.status),
    );
    expect(statuses).toEqual(Array.from({ length: 30 }, () => 'completed'));
    expect(made.dispatcher.breakers.news).toEqual([]);
    expect(await counted()).toBe(0);
    expect(app.requests.length).toBeLessThanOrEqual(38);
  });

  it.each([429, 502, 503, 504])(
    'holds no endpoint up because its neighbour answers %d, and probes that one by itself',
    async (status) => {
      const { app, url } = await application(() => undefined);
      app.on('/down', (_request, response) => json(response, status, {}));
      app.on('/well', (_request, response) => json(response, 200, {}));
      const retry = { initialIntervalMs: 5, maxAttempts: 1_000 };
      const plans = new Map([['well', stepPlan(`${url}/well`)]]);
      const breaker = { faults: 5, openMs: 60_000, openMaxMs: 60_000 };
      const made = await world(stepPlan(`${url}/down`, {}, retry), { plans, options: { breaker } });
      for (let run = 0; run < 7; run++) await made.startRun(`down${run}`);
      await eventually('an open breaker', () =>
        Promise.resolve(made.dispatcher.breakers.news.length > 0 ? true : null),
      );
      expect(made.dispatcher.breakers.news).toMatchObject([{ target: url, endpoint: `${url}/down`, state: 'open' }]);
      const began = performance.now();
      expect((await made.run('well', {}, { plan: 'well' })).run.status).toBe('completed');
      expect(performance.now() - began).toBeLessThan(5_000);
    },
  );

  it('keeps no endpoint waiting because its neighbour never answers and has all slots that it can have', async () => {
    const { app, url } = await application(() => undefined);
    app.on('/hangs', () => undefined).on('/well', (_request, response) => json(response, 200, {}));
    const timeouts = { connectMs: 5_000, answerMs: 600_000, stepMs: null };
    const plans = new Map([['well', stepPlan(`${url}/well`)]]);
    const made = await world(stepPlan(`${url}/hangs`, { timeouts }), {
      plans,
      options: { attemptsPerOriginMax: 16, connectionsPerOriginMax: 16 },
    });
    await made.run('first', {}, { plan: 'well' });
    for (let run = 0; run < 40; run++) await made.startRun(`hangs${run}`);
    await eventually('as many as may', () => Promise.resolve(app.requests.length === 15 ? true : null));
    expect(await waitsOf(made, 'hangs39')).toMatchObject([{ step: 'only', for: 'slots', on: `${url}/hangs` }]);
    for (let run = 0; run < 20; run++)
      expect((await made.run(`well${run}`, {}, { plan: 'well' })).run.status).toBe('completed');
    expect(app.requests.filter(({ path }) => path === '/hangs')).toHaveLength(14);
  });

  it('holds up no branch of a run because another goes to an endpoint of the same origin that is down', async () => {
    const { app, url } = await application(() => undefined);
    app.on('/down', (_request, response) => json(response, 503, {}));
    app.on('/well', (_request, response) => json(response, 200, {}));
    const retry = { initialIntervalMs: 5, maxAttempts: 1_000 };
    const branches = planOf(parallel({ name: 'all' }, step('down', { retry }), step('well')));
    const nodes = branches.nodes.map((node) => (node.type === 'step' ? { ...node, url: `${url}/${node.name}` } : node));
    const plans = new Map([['branches', { ...branches, nodes }]]);
    const breaker = { faults: 5, openMs: 60_000, openMaxMs: 60_000 };
    const made = await world(stepPlan(`${url}/down`, {}, retry), { plans, options: { breaker } });
    await made.startRun('a');
    await eventually('an open breaker', () => Promise.resolve(made.dispatcher.breakers.news.length > 0 ? true : null));
    await made.startRun('b', {}, { plan: 'branches' });
    await eventually('the other branch', () =>
      Promise.resolve(app.requests.some(({ path }) => path === '/well') ? true : null),
    );
    expect(await waitsOf(made, 'b')).toMatchObject([{ step: 'all.down', for: 'breaker', on: `${url}/down` }]);
  });

  it('leaves the whole origin alone that nobody can reach, and says so with the error', async () => {
    const { app, url } = await application(() => undefined);
    await app.stop();
    const breaker = { faults: 5, openMs: 60_000, openMaxMs: 60_000 };
    const retry = { initialIntervalMs: 5, maxAttempts: 1_000 };
    const made = await world(stepPlan(`${url}/a`, {}, retry), { options: { breaker } });
    for (let run = 0; run < 7; run++) await made.startRun(String(run));
    await eventually('an open breaker', () => Promise.resolve(made.dispatcher.breakers.news.length > 0 ? true : null));
    expect(made.dispatcher.breakers.news).toMatchObject([
      { target: url, endpoint: null, state: 'open', lastError: { name: 'Stepwell.ConnectFailed' } },
    ]);
  });

  it('neither opens nor closes for 500', async () => {
    let status = 500;
    const { app, url } = await application((_request, response) => json(response, status, {}));
    const breaker = { faults: 5, openMs: 50, openMaxMs: 50 };
    const retry = { initialIntervalMs: 5, maxIntervalMs: 5, maxAttempts: 1_000 };
    const made = await world(stepPlan(`${url}/`, {}, retry), { options: { breaker } });
    await made.startRun('a');
    await eventually('20 attempts', () => Promise.resolve(app.requests.length >= 20 ? true : null));
    expect(made.dispatcher.breakers.news).toEqual([]);
    status = 503;
    await eventually('an open breaker', () => Promise.resolve(made.dispatcher.breakers.news.length > 0 ? true : null));
    status = 500;
    const before = app.requests.length;
    await eventually('20 more', () => Promise.resolve(app.requests.length >= before + 20 ? true : null));
    expect(made.dispatcher.breakers.news).toMatchObject([{ state: 'half-open' }]);
    status = 200;
    expect((await made.ended('a'))?.run.status).toBe('completed');
    expect(made.dispatcher.breakers.news).toEqual([]);
  });

  it('says of a run that waits for a breaker which it is, since when, until when, and why', async () => {
    const { url } = await application((_request, response) => json(response, 503, {}));
    const breaker = { faults: 2, openMs: 60_000, openMaxMs: 60_000 };
    const retry = { initialIntervalMs: 50, maxIntervalMs: 50, maxAttempts: 1_000 };
    const made = await world(stepPlan(`${url}/`, {}, retry), { options: { breaker } });
    const began = Date.now();
    await made.startRun('a');
    const wait = await eventually('the breaker', async () => {
      const [first] = await waitsOf(made, 'a');
      return first?.for === 'breaker' ? first : null;
    });
    const lastError = { name: 'HTTP.503', cause: 'the application answered 503 Service Unavailable' };
    expect(wait).toMatchObject({ step: 'only', on: `${url}/`, lastError });
    expect(Date.parse(wait.since)).toBeGreaterThanOrEqual(began);
    expect(Date.parse(wait.since)).toBeLessThanOrEqual(Date.now());
    expect(Date.parse(wait.until!)).toBeGreaterThan(Date.now());
    expect(await waitsOf(made, 'a')).toEqual([wait]);
  });

  it.each([
    ['limit', 'queue default', { limits: [limitOf({ concurrency: 1 })] }],
    ['limit', 'key customer=acme', { limits: [limitOf({ kind: 'key', name: 'customer', concurrency: 1 })] }],
    ['slots', 'all origins', { attemptsMax: 2, attemptsPerOriginMax: 2 }],
    ['slots', null, { attemptsPerOriginMax: 1 }],
  ])('says of a run that waits for %s which: %s', async (reason, on, options) => {
    const { url } = await application(() => undefined);
    const made = await world(stepPlan(`${url}/`), { options });
    for (const key of ['a', 'b']) await made.startRun(key, {}, { tags: { customer: 'acme' } });
    expect(await waitsOf(made, 'a')).toEqual([]);
    expect(await waitsOf(made, 'b')).toEqual([
      { step: 'only', for: reason, on: on ?? url, since: expect.any(String), until: null, lastError: null },
    ]);
  });

  it('says of a retry that is due that it waits for its slot, and names no instant that has passed', async () => {
    const { app, url } = await application((_request, response, body) => {
      if (body === '"fails"') json(response, 500, {});
    });
    const made = await world(stepPlan(`${url}/`, {}, { initialIntervalMs: 150 }), {
      options: { attemptsPerOriginMax: 1 },
    });
    await made.startRun('a', 'fails');
    const retry = await eventually('the retry', async () => (await waitsOf(made, 'a'))[0] ?? null);
    const lastError = { name: 'HTTP.500', cause: 'the application answered 500 Internal Server Error' };
    expect(retry).toMatchObject({ for: 'retry', on: null, lastError });
    await made.startRun('b', 'hangs');
    await eventually('the slot taken', () => Promise.resolve(app.requests.length === 2 ? true : null));
    const wait = await eventually('the retry due', async () => {
      const [first] = await waitsOf(made, 'a');
      return first?.for === 'slots' && first.on !== null ? first : null;
    });
    expect(wait).toMatchObject({ on: url, until: null, lastError });
  });

  it('lets 19 targets go on while the twentieth never answers, though all runs are of one queue', async () => {
    const never = await application(() => undefined);
    const others = Array.from({ length: 19 }, () => application((_request, response) => json(response, 200, {})));
    const urls = await Promise.all(others.map(async (other) => (await other).url));
    const limits = [limitOf({ kind: 'target', name: '*', concurrency: 2 }), limitOf({ concurrency: 8 })];
    const plans = new Map(urls.map((url) => [url, stepPlan(`${url}/`)]));
    const made = await world(stepPlan(`${never.url}/`), { plans, options: { limits } });
    for (let run = 0; run < 40; run++) await made.startRun(`never${run}`);
    expect(made.dispatcher.load).toMatchObject({ inFlight: 2, waiting: 38 });
    const keys = urls.flatMap((url) => Array.from({ length: 10 }, (_, run) => `${url} ${run}`));
    for (const key of keys) await made.startRun(key, {}, { plan: key.split(' ')[0]! });
    for (const key of keys) expect((await made.ended(key))?.run.status).toBe('completed');
    expect(never.app.requests).toHaveLength(2);
  });

  it('serves a run of a namespace before the slots have turned once, however many of another are queued', async () => {
    // Counted in requests that went before, since a busy machine makes every wait longer. Not all answers take as long:
    // slots that come free all at the same time make whoever comes in between wait a whole turn.
    const slots = 10;
    let asked = 0;
    const askedBy = new Map<string, number>();
    const { url } = await application((request, response) => {
      askedBy.set(String(request.headers['stepwell-run-id']), asked);
      setTimeout(() => json(response, 200, {}), 40 + ((asked++ * 7) % 20));
    });
    const made = await world(stepPlan(`${url}/`), {
      options: { limits: [limitOf({ concurrency: slots, kind: 'target', name: url })] },
    });
    for (let run = 0; run < 5_000; run++) await made.startRun(`A${run}`, {}, { namespace: 'A' });
    // What comes in right behind so many starts at once waits for those, not for slots.
    await made.run('behind the burst', {}, { namespace: 'B' });
    const before: number[] = [];
    for (const key of Array.from({ length: 20 }, (_, run) => `B${run}`)) {
      await made.startRun(key, {}, { namespace: 'B' });
      const from = asked;
      await made.ended(key);
      before.push(askedBy.get(runIdOf(key))! - from);
    }
    expect(made.dispatcher.load.waiting).toBeGreaterThan(1_000);
    expect(Math.max(...before)).toBeLessThanOrEqual(slots);
    expect((await made.engine.load(runIdOf('A4999')))?.run.status).toBe('running');
  }, 20_000);
});
