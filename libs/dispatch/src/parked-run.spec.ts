import { afterEach, describe, expect, it } from '@jest/globals';
import type { Plan } from '#domain';
import { ALL_SHARDS } from '#event-store';
import { silentLog, type Clock, type Log, type Span, type Tracer } from '#runtime';
import { parallel, planOf, sequence, step } from '../../domain/src/testing/tree-plans.js';
import { eventually } from '../../../test/support/pause.js';
import { Application, DispatchWorld, json, runIdOf, stepPlan } from './testing/dispatch-world.js';
import { hastyClock, SplitWorld } from './testing/split-world.js';

const open: { stop(): Promise<unknown> }[] = [];
afterEach(async () => {
  for (const part of open.splice(0).reverse()) await part.stop();
});

const soon = (what: string, holds: () => boolean) => eventually(what, () => Promise.resolve(holds() ? true : null));
const at = (url: string, plan: Plan): Plan => ({
  ...plan,
  nodes: plan.nodes.map((node) => (node.type === 'step' ? { ...node, url: `${url}/${node.name}` } : node)),
});

/** Looks for what is due a hundred times a second. */
const lookingOften: Clock = {
  ...hastyClock,
  after: (ms, call) => hastyClock.after(ms === 30_000 ? 10 : ms === 2_000 ? 5 : ms, call),
};

describe('the dispatcher of a run that is parked', () => {
  /** The plan leads the branch of `one` to a node that is not there: its answer cannot be decided. */
  const parkedRun = async () => {
    const answers: (() => void)[] = [];
    const app = new Application().on('/slow', (_request, response) => {
      answers.push(() => json(response, 200, 'slow'));
    });
    open.push(app);
    const url = await app.start();
    const sound = at(url, planOf(parallel({ name: 'p' }, sequence(step('one'), step('two')), step('slow'))));
    const broken: Plan = {
      ...sound,
      nodes: sound.nodes.map((node) => (node.name === 'one' ? { ...node, next: 999 } : node)),
    };
    const world = new SplitWorld(broken);
    open.push(world);
    const lines: string[] = [];
    const log: Log = { ...silentLog, error: (text) => void lines.push(text) };
    const old = await world.dispatcher('old', ALL_SHARDS, { log, clock: lookingOften });
    const api = world.api();
    await api.startRun('x');
    await soon('the parked run', () => old.engine.parked(runIdOf('x')) !== null && answers.length === 1);
    return { app, answers, world, sound, old, api, lines };
  };

  it('lets its attempts land once, keeps nothing of it, and can release its shard; the heir tries it again', async () => {
    const { app, answers, world, sound, old, api, lines } = await parkedRun();
    answers[0]!();
    await soon('the end of the attempts', () => old.dispatcher.load.inFlight === 0);
    await old.ownership.release(ALL_SHARDS);
    expect(old.dispatcher.shardCounts.owned).toBe(0);
    expect(lines).toEqual([expect.stringContaining('a run is parked')]);
    expect(app.requests.map(({ path }) => path)).toEqual(['/one', '/slow']);
    const plans = { cachedPlan: () => sound, plan: () => Promise.resolve(sound) };
    await world.dispatcher('heir', ALL_SHARDS, { plans });
    await soon('the attempt of the heir', () => answers.length === 2);
    answers[1]!();
    expect((await api.ended('x'))?.run.status).toBe('completed');
  });

  it('does not take it for overdue, nor wakes it again and again', async () => {
    const { answers, world, old } = await parkedRun();
    let [looks, wakes] = [0, 0];
    const due = world.openRuns.due.bind(world.openRuns);
    world.openRuns.due = (...asked) => {
      looks += 1;
      return due(...asked);
    };
    const submit = old.engine.submit.bind(old.engine);
    answers[0]!();
    await soon('the end of the attempts', () => old.dispatcher.load.inFlight === 0);
    old.engine.submit = (...given) => {
      wakes += 1;
      submit(...given);
    };
    await soon('looks for what is due', () => looks > 5);
    expect([old.dispatcher.load.overdue, wakes]).toEqual([0, 0]);
  });

  it('has no slot left of an attempt that could not begin, and serves others', async () => {
    const app = new Application();
    open.push(app);
    const url = await app.start();
    const span: Span = { traceparent: `00-${'1'.repeat(32)}-${'1'.repeat(16)}-01`, end: () => undefined };
    const tracer: Tracer = {
      begin: ({ attributes }) => {
        if (attributes['stepwell.run_id'] === runIdOf('x')) throw new Error('cannot be');
        return span;
      },
      stop: async () => undefined,
    };
    const options = { attemptsMax: 1, attemptsPerOriginMax: 1, tracer };
    const world = await new DispatchWorld(stepPlan(`${url}/`), { options }).start();
    open.push(world);
    await world.startRun('x');
    expect(world.engine.parked(runIdOf('x'))).not.toBeNull();
    expect(world.dispatcher.load.inFlight).toBe(0);
    expect((await world.run('y')).run.status).toBe('completed');
  });

  it('tries it again itself once it gets the shard back', async () => {
    const { answers, old } = await parkedRun();
    answers[0]!();
    await soon('the end of the attempts', () => old.dispatcher.load.inFlight === 0);
    await old.ownership.release(ALL_SHARDS);
    expect(old.engine.parked(runIdOf('x'))).toBeNull();
    old.ownership.gain(ALL_SHARDS);
    await soon('another attempt', () => answers.length === 2);
    await soon('the parked run', () => old.engine.parked(runIdOf('x')) !== null);
  });
});
