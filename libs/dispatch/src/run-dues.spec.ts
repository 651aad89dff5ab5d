import { afterEach, describe, expect, it } from '@jest/globals';
import { ALL_SHARDS, runStream, shardOf, type Position, type Shard } from '#event-store';
import { silentLog } from '#runtime';
import type { RunId } from '#engine';
import { parallel, planOf, step } from '../../domain/src/testing/tree-plans.js';
import { MemoryOpenRuns } from './open-runs/open-runs.js';
import { RunDues } from './run-dues.js';
import { Application, DispatchWorld, json, runIdOf, stepPlan } from './testing/dispatch-world.js';
import { TestClock } from './testing/test-clock.js';
import { TimerWheel } from './timer-wheel.js';
import { historyIn } from '../../engine/src/testing/history-in.js';

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

const until = async (holds: () => Promise<boolean> | boolean): Promise<void> => {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 5));
};

const headOf = (checkpoints: ReadonlyMap<unknown, Position>): Position => Math.max(...checkpoints.values()) as Position;
const rows = (table: MemoryOpenRuns) => table.due(ALL_SHARDS, Infinity, null, 100);
const waits = (made: DispatchWorld, key: string) => async (): Promise<boolean> =>
  (await made.engine.load(runIdOf(key)))?.run.steps.get('only')?.status === 'waiting-retry';
const HOUR_MS = 3_600_000;

/** Lets the one that fails do so when the other one stands in line: that one has the slot before the retry is due, and hangs. */
const failing = async () => {
  let answer: (() => void) | null = null;
  const { app, url } = await application((made) =>
    made.on('/', (_request, response, body) => {
      if (body === '"fails"') answer = () => json(response, 503, {});
    }),
  );
  const fail = async (made: DispatchWorld): Promise<void> => {
    await until(() => answer !== null && made.dispatcher.load.waiting === 1);
    answer!();
  };
  return { app, url, fail };
};

describe('RunDues', () => {
  it.each(['step', 'run'])(
    'times out a %s that waits for a slot with its retry due, and not when one is free',
    async (what) => {
      const { app, url, fail } = await failing();
      const timeouts = { connectMs: 500, answerMs: 5_000, stepMs: null };
      const stepMs = what === 'step' ? 400 : null;
      const plan = stepPlan(`${url}/`, { timeouts: { ...timeouts, stepMs } }, { initialIntervalMs: 150 });
      const made = await world(plan, { options: { attemptsPerOriginMax: 1 } });
      await made.startRun('a', 'fails', { timeoutMs: what === 'run' ? 400 : null });
      const began = performance.now();
      await made.startRun('b', 'hangs');
      await fail(made);
      const { run } = (await made.ended('a'))!;
      expect(performance.now() - began).toBeLessThan(1_000);
      expect(run.error?.name).toBe(what === 'step' ? 'Stepwell.StepTimeout' : 'Stepwell.RunTimeout');
      expect(app.requests.map(({ body }) => body)).toEqual(['"fails"', '"hangs"']);
    },
  );

  it('fails a step on time whose retry waits for a slot when no attempt may start any more', async () => {
    const { app, url, fail } = await failing();
    const plan = stepPlan(`${url}/`, {}, { initialIntervalMs: 150, totalTimeoutMs: 400 });
    const made = await world(plan, { options: { attemptsPerOriginMax: 1 } });
    await made.startRun('a', 'fails');
    const began = performance.now();
    await made.startRun('b', 'hangs');
    await fail(made);
    const { run } = (await made.ended('a'))!;
    expect(performance.now() - began).toBeLessThan(1_000);
    expect(run.error?.name).toBe('HTTP.503');
    expect(app.requests.map(({ body }) => body)).toEqual(['"fails"', '"hangs"']);
  });

  it('gives a row that says too much its due again, so that the run is woken once and then on time', async () => {
    const { url } = await application((made) => made.on('/', (_request, response) => json(response, 503, {})));
    const plan = stepPlan(`${url}/`, {}, { initialIntervalMs: HOUR_MS, maxIntervalMs: HOUR_MS });
    const table = new MemoryOpenRuns();
    const first = await world(plan, { openRuns: table });
    await first.startRun('a');
    await until(waits(first, 'a'));
    const retryAt = (await first.engine.load(runIdOf('a')))!.run.steps.get('only')!.retryAt!;
    await first.dispatcher.stop();
    const exact = [{ runId: runIdOf('a'), dueMs: Date.parse(retryAt) }];
    expect(await rows(table)).toEqual(exact);
    // As a take-over leaves it that does not fold the run.
    await table.write({
      open: [{ runId: runIdOf('a'), dueMs: 0 }],
      ended: [],
      checkpoint: headOf(await table.checkpoints(ALL_SHARDS)),
      shards: ALL_SHARDS,
    });
    await world(plan, { store: first.store, openRuns: table });
    await until(async () => (await rows(table))[0]?.dueMs !== 0);
    expect(await rows(table)).toEqual(exact);
  });

  it('takes the row of a run out that has ended, or never was', async () => {
    const { url } = await application(() => undefined);
    const table = new MemoryOpenRuns();
    const first = await world(stepPlan(`${url}/`), { openRuns: table });
    await first.run('a');
    await first.dispatcher.stop();
    const ghosts = ['a', 'nobody'].map((key) => ({ runId: runIdOf(key), dueMs: 0 }));
    await table.write({
      open: ghosts,
      ended: [],
      checkpoint: headOf(await table.checkpoints(ALL_SHARDS)),
      shards: ALL_SHARDS,
    });
    await world(stepPlan(`${url}/`), { store: first.store, openRuns: table });
    await until(async () => (await rows(table)).length === 0);
  });

  it('writes again what the table did not take, though nothing else happens', async () => {
    const { url } = await application((made) => made.on('/', (_request, response) => json(response, 503, {})));
    const plan = stepPlan(`${url}/`, {}, { initialIntervalMs: HOUR_MS, maxIntervalMs: HOUR_MS });
    const table = new MemoryOpenRuns();
    const made = await world(plan, { openRuns: table });
    const write = table.write.bind(table);
    let refused = 0;
    table.write = () => {
      refused += 1;
      return Promise.reject(new Error('the disk is full'));
    };
    await made.startRun('a');
    await until(() => refused > 0);
    table.write = write;
    await until(async () => (await rows(table)).length === 1);
  });

  it('ends every step that is late, one after the other', async () => {
    const { url } = await application((made) => made.on('/', () => undefined));
    const late = { timeouts: { connectMs: 500, answerMs: 5_000, stepMs: 100 } };
    const plan = planOf(
      parallel({ name: 'all', onError: 'continue' }, ...['a', 'b', 'c', 'd'].map((name) => step(name, late))),
    );
    const nodes = plan.nodes.map((node) => (node.type === 'step' ? { ...node, url: `${url}/` } : node));
    const made = await world({ ...plan, nodes }, { options: { attemptsPerOriginMax: 1 } });
    const began = performance.now();
    const { run } = await made.run('a');
    expect(performance.now() - began).toBeLessThan(1_000);
    expect(run.status).toBe('completed');
    const { steps } = await historyIn(made.store, runIdOf('a'));
    expect([...steps.values()].filter(({ error }) => error?.name === 'Stepwell.StepTimeout')).toHaveLength(4);
  });

  it('has what time alone decides say in its events which dispatcher has decided it', async () => {
    const { url } = await application((made) => made.on('/', () => undefined));
    const timeouts = { connectMs: 500, answerMs: 5_000, stepMs: 100 };
    const made = await world(stepPlan(`${url}/`, { timeouts }));
    await made.run('a');
    const events = await made.store.readStream(runStream(runIdOf('a')));
    const actorOf = (type: string) => events.find((event) => event.type === type)?.actor;
    expect(['RunStarted', 'StepFailed'].map(actorOf)).toEqual([null, 'd1']);
  });

  it('looks at a part of the runs that are not due for long when shards are gained, in proportion to the shards', async () => {
    const lookedAt = async (gained: readonly Shard[]): Promise<number> => {
      const clock = new TestClock();
      const table = new MemoryOpenRuns();
      const open = Array.from({ length: 9_600 }, (_, run) => runIdOf(String(run)))
        .filter((runId) => gained.includes(shardOf(runId)))
        .map((runId) => ({ runId, dueMs: clock.nowMs() + HOUR_MS }));
      await table.write({ open, ended: [], checkpoint: 0 as Position, shards: gained });
      let looks = 0;
      let asked = 0;
      const due = table.due.bind(table);
      table.due = async (...args) => {
        asked += 1;
        return due(...args);
      };
      const dues = new RunDues(table, new TimerWheel(clock), clock, silentLog, {
        wake: (_runId, { done }) => {
          looks += 1;
          done(null);
        },
        isInHand: () => false,
      });
      dues.gained(gained, 1 as Position);
      for (let before = -1; before !== looks + asked;) {
        before = looks + asked;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      await dues.stop();
      return looks;
    };
    expect(await lookedAt([7 as Shard])).toBe(32);
    expect(await lookedAt(ALL_SHARDS.slice(0, 16))).toBe(500);
    expect(await lookedAt(ALL_SHARDS)).toBe(2_000);
  });

  describe('when the wall clock is set back', () => {
    type Told = { readonly ms: number; readonly sinceMs: number; readonly isQuiet: boolean };

    /** Runs that wait: so many within the minute, so many within the hour; who is woken is seen to by and by. */
    const waiting = async (near: number, far: number) => {
      const clock = new TestClock();
      const table = new MemoryOpenRuns();
      const runs = Array.from({ length: near + far }, (_, run) => runIdOf(String(run)));
      const rowOf = (runId: RunId, run: number) => ({ runId, dueMs: clock.nowMs() + (run < near ? 50_000 : HOUR_MS) });
      await table.write({ open: runs.map(rowOf), ended: [], checkpoint: 0 as Position, shards: ALL_SHARDS });
      const told = new Map<RunId, Told | null>();
      let begun: (() => void)[] = [];
      const dues = new RunDues(table, new TimerWheel(clock, (_turns, call) => call()), clock, silentLog, {
        wake: (runId, { setBack, done }) => {
          told.set(runId, setBack);
          begun.push(() => done(undefined));
        },
        isInHand: () => false,
      });
      const seeAll = async (): Promise<void> => {
        for (let idle = 0; idle < 5; idle++) {
          await new Promise((resolve) => setImmediate(resolve));
          if (begun.length > 0) idle = 0;
          for (const done of begun.splice(0)) done();
        }
      };
      dues.gained(ALL_SHARDS, 1 as Position);
      await seeAll();
      dues.start();
      begun = [];
      told.clear();
      return { clock, table, runs, dues, told, seeAll };
    };

    it.each([
      ['timers and rows', false],
      ['timers of which the table does not tell yet', true],
    ])('tells every run of it, however long those before it take to be seen to: %s', async (_what, isTableEmpty) => {
      const { clock, table, runs, dues, told, seeAll } = await waiting(200, isTableEmpty ? 0 : 100);
      if (isTableEmpty) table.due = () => Promise.resolve([]);
      clock.jump(-600_000);
      clock.pass(2_000);
      await seeAll();
      expect(runs.map((runId) => told.get(runId)?.ms)).toEqual(runs.map(() => 600_000));
      told.clear();
      clock.pass(2_000);
      dues.wakeSoon(runs[0]!);
      await seeAll();
      expect([...told.values()]).toEqual([null]);
      await dues.stop();
    });

    it('says of each run whether something may have been planned in it since', async () => {
      const { clock, runs, dues, told, seeAll } = await waiting(4, 0);
      const [before, written, unwritten, untouched] = runs as [RunId, RunId, RunId, RunId];
      dues.unread(before, false);
      for (let look = 0; look < 3; look++) {
        clock.pass(2_000);
        await seeAll();
      }
      const sinceMs = clock.nowMs() - 600_000;
      dues.unread(written, false);
      await dues.flush();
      clock.pass(1_000);
      dues.unread(unwritten, false);
      clock.jump(-600_000);
      clock.pass(1_000);
      await seeAll();
      const quiet = (runId: RunId) => told.get(runId);
      expect([before, untouched].map(quiet)).toEqual([1, 2].map(() => ({ ms: 600_000, sinceMs, isQuiet: true })));
      expect([written, unwritten].map(quiet)).toEqual([1, 2].map(() => ({ ms: 600_000, sinceMs, isQuiet: false })));
      await dues.stop();
    });
  });
});
