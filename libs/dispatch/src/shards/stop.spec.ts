import { afterEach, describe, expect, it } from '@jest/globals';
import { ALL_SHARDS } from '#event-store';
import { systemClock, type Clock } from '#runtime';
import { eventually } from '../../../../test/support/pause.js';
import { Application, stepPlan } from '../testing/dispatch-world.js';
import { SplitWorld } from '../testing/split-world.js';

const open: { stop(): Promise<unknown> }[] = [];
afterEach(async () => {
  for (const part of open.splice(0).reverse()) await part.stop();
});

const soon = (what: string, holds: () => boolean) => eventually(what, () => Promise.resolve(holds() ? true : null));

describe('a dispatcher that stops', () => {
  it('leaves no timer behind at its stop, though it is in doubt about a run', async () => {
    const app = new Application().on('/', () => undefined);
    open.push(app);
    const world = new SplitWorld(stepPlan(`${await app.start()}/`));
    open.push(world);
    const timers = new Map<object, number>();
    const clock: Clock = {
      ...systemClock,
      after: (ms, call) => {
        const timer = {};
        const cancel = systemClock.after(ms, () => {
          timers.delete(timer);
          call();
        });
        timers.set(timer, ms);
        return () => {
          timers.delete(timer);
          cancel();
        };
      },
    };
    const zombie = await world.dispatcher('zombie', ALL_SHARDS);
    const heir = await world.dispatcher('heir', ALL_SHARDS, { clock });
    let wake = (): void => undefined;
    heir.client.deaf = new Promise((resolve) => (wake = resolve));
    await world.api().startRun('x');
    await soon('the request', () => app.requests.length === 1);
    wake();
    await soon('a doubt', () => [...timers.values()].includes(10_000));
    zombie.kill();
    await heir.dispatcher.stop();
    expect([...timers.values()]).toEqual([]);
  });
});
