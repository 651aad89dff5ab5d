import { afterEach, describe, expect, it } from '@jest/globals';
import { ALL_SHARDS } from '#event-store';
import { systemClock, type Clock } from '#runtime';
import { eventually, pause } from '../../../test/support/pause.js';
import { Application, DispatchWorld, json, runIdOf, stepPlan } from './testing/dispatch-world.js';

const open: { stop(): Promise<void> }[] = [];
afterEach(async () => {
  for (const part of open.splice(0).reverse()) await part.stop();
});

const HOUR_MS = 3_600_000;
const WAIT_MS = 3_000;
/** Until it is seen that the clock was set back; a busy machine is slower. */
const LATE_MS = 4_000;

/** A wall clock that a test sets. */
class SetClock implements Clock {
  aheadMs = 0;
  /** Time that has passed for both clocks. */
  passedMs = 0;
  nowMs = () => Math.round(systemClock.nowMs() + this.passedMs + this.aheadMs);
  monotonicMs = () => systemClock.monotonicMs() + this.passedMs;
  now = () => new Date(this.nowMs()).toISOString();
  after = (ms: number, call: () => void) => systemClock.after(ms, call);
}

/** Its first attempt fails, and its retry is waited for; other bodies get no answer. */
const application = async () => {
  const askedAt: number[] = [];
  const app = new Application().on('/', (_request, response, body) => {
    askedAt.push(performance.now());
    if (body !== '"hangs"') json(response, askedAt.length === 1 ? 503 : 200, {});
  });
  open.push(app);
  return { app, askedAt, url: await app.start() };
};
const waitingPlan = (url: string) => stepPlan(`${url}/`, {}, { initialIntervalMs: WAIT_MS });

const world = async (...args: ConstructorParameters<typeof DispatchWorld>): Promise<DispatchWorld> => {
  const started = await new DispatchWorld(...args).start();
  open.push(started);
  return started;
};
const statusOf = async (made: DispatchWorld) =>
  (await made.engine.load(runIdOf('a')))?.run.steps.get('only')?.status ?? null;
const waits = (made: DispatchWorld) =>
  eventually('the wait', async () => ((await statusOf(made)) === 'waiting-retry' ? true : null));

describe('the wall clock set back', () => {
  it.each([1, 365 * 24])('by %d hours while a retry is waited for moves it, and it is made once', async (hours) => {
    const { app, askedAt, url } = await application();
    const clock = new SetClock();
    const made = await world(waitingPlan(url), { clock });
    await made.startRun('a');
    await waits(made);
    await pause(500);
    clock.aheadMs = -hours * HOUR_MS;
    const { run } = (await made.ended('a'))!;
    expect(run.status).toBe('completed');
    expect(askedAt[1]! - askedAt[0]!).toBeGreaterThanOrEqual(WAIT_MS - 50);
    expect(askedAt[1]! - askedAt[0]!).toBeLessThan(WAIT_MS + LATE_MS);
    await pause(500);
    expect(app.requests).toHaveLength(2);
  });

  it.each(['step', 'run'])('moves the deadline of a %s with it', async (what) => {
    const { url } = await application();
    const clock = new SetClock();
    const timeouts = { connectMs: 500, answerMs: 60_000, stepMs: what === 'step' ? WAIT_MS : null };
    const made = await world(stepPlan(`${url}/`, { timeouts }), { clock });
    const began = performance.now();
    await made.startRun('a', 'hangs', { timeoutMs: what === 'run' ? WAIT_MS : null });
    clock.aheadMs = -HOUR_MS;
    const { run } = (await made.ended('a'))!;
    expect(run.error?.name).toBe(what === 'step' ? 'Stepwell.StepTimeout' : 'Stepwell.RunTimeout');
    expect(performance.now() - began).toBeGreaterThanOrEqual(WAIT_MS - 50);
    expect(performance.now() - began).toBeLessThan(WAIT_MS + LATE_MS);
  });

  it('moves a long wait of which a part has passed, though it lies no further ahead than all of it', async () => {
    const { url } = await application();
    const clock = new SetClock();
    const hourly = { initialIntervalMs: HOUR_MS, maxIntervalMs: HOUR_MS };
    const made = await world(stepPlan(`${url}/`, {}, hourly), { clock });
    await made.startRun('a', {}, { timeoutMs: 2 * HOUR_MS });
    await waits(made);
    const dues = async () => {
      const { run } = (await made.engine.load(runIdOf('a')))!;
      return [run.steps.get('only')?.retryAt, run.timeoutAt].map((at) => Date.parse(at!));
    };
    const planned = await dues();
    clock.passedMs = HOUR_MS / 2;
    // A look at the clock, which finds it as it was.
    await pause(2_500);
    clock.aheadMs = -HOUR_MS / 3;
    await eventually('the move', async () => ((await dues())[0] === planned[0] ? null : true));
    for (const [due, atMs] of (await dues()).entries())
      expect(Math.abs(planned[due]! - HOUR_MS / 3 - atMs)).toBeLessThan(50);
  });

  it('between a stop and a start has what lies too far ahead wait its whole wait anew', async () => {
    const { app, askedAt, url } = await application();
    const clock = new SetClock();
    clock.aheadMs = HOUR_MS;
    const first = await world(waitingPlan(url), { clock });
    await first.startRun('a');
    await waits(first);
    await first.dispatcher.stop();
    const { store, openRuns } = first;
    const began = performance.now();
    const second = await world(waitingPlan(url), { store, openRuns });
    expect((await second.ended('a'))?.run.status).toBe('completed');
    expect(askedAt[1]! - began).toBeGreaterThanOrEqual(WAIT_MS - 50);
    expect(askedAt[1]! - began).toBeLessThan(WAIT_MS + LATE_MS);
    expect(app.requests).toHaveLength(2);
  });

  it('between a stop and a start moves all that it has planned, however many', async () => {
    const { url } = await application();
    const clock = new SetClock();
    clock.aheadMs = HOUR_MS;
    const hourly = { initialIntervalMs: HOUR_MS, maxIntervalMs: HOUR_MS };
    const plan = stepPlan(`${url}/`, {}, hourly);
    const busy = new Application().on('/', (_request, response) => json(response, 500, {}));
    open.push(busy);
    const failing = stepPlan(`${await busy.start()}/`, {}, hourly);
    const runs = 4_500;
    const first = await world(plan, { clock, plans: new Map([['failing', failing]]) });
    for (let run = 0; run < runs; run++) await first.startRun(String(run), {}, { plan: 'failing' });
    await eventually('all attempts', async () => (busy.requests.length === runs ? true : null));
    await first.dispatcher.stop();
    const { store, openRuns } = first;
    const second = await world(plan, { store, openRuns, plans: new Map([['failing', failing]]) });
    const inTime = () => openRuns.due(ALL_SHARDS, systemClock.nowMs() + HOUR_MS + 60_000, null, 10_000);
    await eventually('all moved', async () => ((await inTime()).length === runs ? true : null));
    expect(second.dispatcher.load.overdue).toBe(0);
  }, 40_000);
});
