import { afterEach, beforeAll, afterAll, describe, expect, it } from '@jest/globals';
import { AppendRefused, MemoryEventStore, type Append, type AppendOutcome } from '#event-store';
import { silentLog, systemClock, systemEntropy, type FlowLimit } from '#runtime';
import { CountingApplication } from '../../../../../test/support/counting-application.js';
import { eventually, pause } from '../../../../../test/support/pause.js';
import { testPostgres, type TestPostgres } from '../../../../../test/support/postgres.js';
import { TcpProxy } from '../../../../../test/support/tcp-proxy.js';
import { DispatchWorld, stepPlan } from '../../testing/dispatch-world.js';
import { PostgresLimitShares } from './postgres-limit-shares.js';

const LEASE_MS = 1_500;
const ANSWER_MS = 60;
const QUEUED = 4_000;

let postgres: TestPostgres;
beforeAll(async () => {
  postgres = await testPostgres('postgres-limit-shares');
}, 60_000);
afterAll(() => postgres.stop());

const open: { stop(): Promise<void> }[] = [];
afterEach(async () => {
  for (const part of open.splice(0).reverse()) await part.stop();
});

/** One that stops with the test. */
const counting = async (): Promise<{ counter: CountingApplication; url: string }> => {
  const counter = new CountingApplication(() => ANSWER_MS);
  open.push(counter);
  return { counter, url: await counter.start() };
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

/** Five times what any test here makes with its runs: past it attempts begin and end again without being sent. */
const APPENDS_MAX = 5 * QUEUED;

/** Ends a circle of appends, which no timeout of a test does: it leaves the loop no turn. */
class BoundedStore extends MemoryEventStore {
  appends = 0;

  override append(append: Append, settle: (outcome: AppendOutcome) => void): void {
    this.appends += 1;
    if (this.appends > APPENDS_MAX) throw new AppendRefused(`a test makes at most ${APPENDS_MAX} appends`);
    super.append(append, settle);
  }
}

const dispatcher = async (url: string, name: string, limit: FlowLimit, database = postgres.url) => {
  const options = { url: database, name, leaseMs: LEASE_MS, beatMs: 200 };
  const shares = new PostgresLimitShares(systemClock, systemEntropy, silentLog, options);
  const store = new BoundedStore();
  const world = new DispatchWorld(stepPlan(`${url}/`), {
    store,
    shares,
    options: { name, limits: [limit], graceMs: 1_000 },
  });
  await world.start();
  open.push(world);
  return Object.assign(world, { appends: () => store.appends });
};

const load = async (world: DispatchWorld, runs = QUEUED): Promise<void> => {
  for (let run = 0; run < runs; run++) await world.startRun(String(run));
};

const SAMPLED_MS = 5;

/**
 * How many slots of a limit were taken on average over the next while, as the dispatchers have it. What an application sees is
 * less by what the machine takes from a taken slot to the request, and from the answer to the next: on a busy one, much.
 */
const takenOver = async (ms: number, ...worlds: readonly DispatchWorld[]): Promise<number> => {
  const untilMs = performance.now() + ms;
  let [samples, taken] = [0, 0];
  while (performance.now() < untilMs) {
    await pause(SAMPLED_MS);
    samples += 1;
    for (const { dispatcher } of worlds) taken += dispatcher.load.inFlight;
  }
  return taken / samples;
};

/** Until the dispatchers have heard of each other, what is measured is how fast that goes, which has a bound of its own here. */
const wholeInUse = (counter: CountingApplication, limit: number): Promise<true> =>
  eventually('the whole limit in use', async () => (counter.peak === limit ? true : null), 2_000);

describe('PostgresLimitShares', () => {
  it.each([6, 2])(
    'never lets three dispatchers have more than %d in flight, nor much less, though one is cut off',
    async (limit) => {
      const { counter, url } = await counting();
      const proxy = new TcpProxy(Number(new URL(postgres.url).port));
      await proxy.start();
      const byProxy = new URL(postgres.url);
      byProxy.port = String(proxy.port);
      const row = limitOf({ name: `default`, namespace: 'default', concurrency: limit });
      const [a, b] = [await dispatcher(url, 'a', row), await dispatcher(url, 'b', row)];
      const c = await dispatcher(url, 'c', row, byProxy.href);
      await Promise.all([load(a), load(b), load(c)]);
      await wholeInUse(counter, limit);
      expect(await takenOver(2_500, a, b, c)).toBeGreaterThanOrEqual(0.8 * limit);
      // No goodbye, and it lives on with runs that wait: it must stop by itself before others have its share.
      await proxy.stop();
      await pause(LEASE_MS + 300);
      expect(c.appends()).toBeLessThan(APPENDS_MAX);
      expect(await takenOver(2_500, a, b)).toBeGreaterThanOrEqual(0.8 * limit);
      expect(c.dispatcher.load.inFlight).toBe(0);
      expect(counter.peak).toBe(limit);
    },
    30_000,
  );

  it('leaves the whole limit to the one that has work, and shares it when another has some', async () => {
    const { counter, url } = await counting();
    const row = limitOf({ kind: 'target', name: url, concurrency: 9 });
    const [a, b] = [await dispatcher(url, 'a', row), await dispatcher(url, 'b', row)];
    await dispatcher(url, 'c', row);
    await load(a, 3_000);
    await wholeInUse(counter, 9);
    expect(await takenOver(1_500, a, b)).toBeGreaterThanOrEqual(0.8 * 9);
    await load(b, 500);
    await eventually('an equal share', async () => (b.dispatcher.load.inFlight >= 4 ? true : null));
    expect(counter.peak).toBe(9);
  }, 30_000);

  it('begins no more a second than the rate, all dispatchers together, and not much less', async () => {
    const { counter, url } = await counting();
    const row = limitOf({ kind: 'target', name: url, ratePerSecond: 60, burst: 3 });
    const worlds = [await dispatcher(url, 'a', row), await dispatcher(url, 'b', row), await dispatcher(url, 'c', row)];
    await Promise.all(worlds.map((world) => load(world, 600)));
    await eventually('shares of the rate', async () => (counter.began >= 3 * worlds.length ? true : null), 2_000);
    const before = counter.began;
    const fromMs = performance.now();
    await pause(3_000);
    const perSecond = ((counter.began - before) / (performance.now() - fromMs)) * 1_000;
    expect(perSecond).toBeLessThanOrEqual(60 + 3);
    expect(perSecond).toBeGreaterThanOrEqual(0.8 * 60);
  }, 30_000);

  it('has its shares free for others at once when it stops', async () => {
    const { url } = await counting();
    const row = limitOf({ kind: 'target', name: url, concurrency: 4 });
    const [a, b] = [await dispatcher(url, 'a', row), await dispatcher(url, 'b', row)];
    await Promise.all([load(a, 500), load(b, 500)]);
    await eventually('work of both', async () => (b.dispatcher.load.inFlight > 0 ? true : null));
    await a.dispatcher.stop();
    await eventually('the whole limit', async () => (b.dispatcher.load.inFlight === 4 ? true : null), 1_000);
  }, 30_000);
});
